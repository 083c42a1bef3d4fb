from __future__ import annotations

import pytest

from cogento.settings import EX_CONFIG, AskingSettings, ConsoleSettings, MailboxSettings, WorkerSettings, load


@pytest.mark.parametrize(
    ("url", "verify", "used"),
    [
        ("redis://host:6379/0", None, "redis://host:6379/0"),
        ("rediss://host:6379/0", None, "rediss://host:6379/0?ssl_cert_reqs=required"),
        ("rediss://host:6379/0", "none", "rediss://host:6379/0?ssl_cert_reqs=none"),
        (
            "rediss://host:6379/0?ssl_check_hostname=false",
            "none",
            "rediss://host:6379/0?ssl_check_hostname=false&ssl_cert_reqs=none",
        ),
        ("rediss://host?ssl_cert_reqs=none", None, "rediss://host?ssl_cert_reqs=none"),
        ("rediss://host?ssl_cert_reqs=CERT_NONE", "none", "rediss://host?ssl_cert_reqs=none"),
        ("rediss://host?ssl_cert_reqs=required", "required", "rediss://host?ssl_cert_reqs=required"),
    ],
)
def test_tls_to_redis_is_verified_unless_that_is_switched_off(
    monkeypatch: pytest.MonkeyPatch, url: str, verify: str | None, used: str
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    monkeypatch.setenv("REDIS_TLS_VERIFY", verify or "")
    assert load(MailboxSettings).redis_url.get_secret_value() == used


@pytest.mark.parametrize(
    ("query", "verify"),
    [
        ("ssl_cert_reqs=none", "required"),
        ("ssl_cert_reqs=required", "none"),
        ("ssl_cert_reqs=optional", "none"),
        ("ssl_cert_reqs=none&ssl_cert_reqs=required", ""),
        ("ssl_cert_reqs=none&ssl_check_hostname=true", ""),
        ("ssl_check_hostname=True", "none"),
    ],
)
def test_a_certificate_is_not_told_twice_and_differently_how_it_is_verified(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], query: str, verify: str
) -> None:
    monkeypatch.setenv("REDIS_URL", f"rediss://host?{query}")
    monkeypatch.setenv("REDIS_TLS_VERIFY", verify)
    with pytest.raises(SystemExit) as refused:
        load(MailboxSettings)
    assert refused.value.code == EX_CONFIG
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cogento: REDIS_URL is not usable: ")
    assert line.endswith("remove one of them")


def test_unknown_way_to_verify_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "rediss://host")
    monkeypatch.setenv("REDIS_TLS_VERIFY", "perhaps")
    with pytest.raises(SystemExit) as refused:
        load(MailboxSettings)
    assert refused.value.code == EX_CONFIG


@pytest.mark.parametrize(
    ("redis", "broker", "used"),
    [
        ("redis+cluster://one,two", "redis://host/1", "redis://host/1"),
        ("redis+cluster://one,two", "redis+sentinel://host/mymaster", "redis+sentinel://host/mymaster"),
        ("redis://host/0", "", "redis://host/0"),
        ("redis://host/0", "amqp://of.another.application//", "redis://host/0"),
        ("redis+sentinel://host/mymaster", "", "redis+sentinel://host/mymaster"),
    ],
)
def test_wakeups_lie_with_the_events_but_beside_a_cluster(
    monkeypatch: pytest.MonkeyPatch, redis: str, broker: str, used: str
) -> None:
    monkeypatch.setenv("REDIS_URL", redis)
    monkeypatch.setenv("BROKER_URL", broker)
    assert load(MailboxSettings).wakeups_url == used


@pytest.mark.parametrize(
    ("broker", "complaint"),
    [
        ("", "REDIS_URL names a cluster"),
        ("redis+cluster://three", "Celery cannot use a cluster"),
        ("amqp://of.another.application//", "it must look like redis://"),
    ],
)
def test_a_cluster_without_a_broker_that_celery_can_use_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broker: str, complaint: str
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis+cluster://one,two")
    monkeypatch.setenv("BROKER_URL", broker)
    with pytest.raises(SystemExit) as refused:
        load(MailboxSettings)
    assert refused.value.code == EX_CONFIG
    assert f"BROKER_URL is not usable: {complaint}" in capsys.readouterr().err


def test_names_of_the_console_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://host")
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/name")
    monkeypatch.setenv("CONSOLE_HOSTS", "Console.example.com, other.example.com")
    assert load(ConsoleSettings).host_names == {"console.example.com", "other.example.com"}


@pytest.mark.parametrize(
    ("key", "livemode", "complaint"),
    [
        ("rk_live_1234", "false", "STRIPE_API_KEY is not usable: it is a key of the other mode"),
        ("rk_test_1234", "true", "STRIPE_API_KEY is not usable: it is a key of the other mode"),
        ("whsec_1234", "false", "STRIPE_API_KEY is not usable: it must be a restricted"),
        ("rk_test_1234 ", "false", "STRIPE_API_KEY is not usable: it must be a restricted"),
    ],
)
def test_key_that_would_ask_for_the_wrong_things_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    key: str,
    livemode: str,
    complaint: str,
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", key)
    monkeypatch.setenv("STRIPE_LIVEMODE", livemode)
    with pytest.raises(SystemExit):
        load(AskingSettings)
    said = capsys.readouterr().err
    assert complaint in said
    assert "1234" not in said


def test_polling_without_a_key_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://host")
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/name")
    monkeypatch.setenv("STRIPE_POLL_SECONDS", "3")
    with pytest.raises(SystemExit):
        load(WorkerSettings)
    assert capsys.readouterr().err == (
        "cogento: STRIPE_POLL_SECONDS is not usable: Stripe is asked only with a key: set STRIPE_API_KEY as well\n"
    )


def test_key_of_the_right_mode_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "rk_live_1234")
    monkeypatch.setenv("STRIPE_LIVEMODE", "true")
    key = load(AskingSettings).stripe_api_key
    assert key is not None
    assert key.get_secret_value() == "rk_live_1234"
