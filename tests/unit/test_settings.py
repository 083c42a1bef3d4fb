from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cogento.settings import (
    EX_CONFIG,
    AskingSettings,
    ConsoleSettings,
    MailboxSettings,
    ReceiverSettings,
    SecretStr,
    WorkerSettings,
    load,
)
from tests.support.builders import SECRET

ROOT = Path(__file__).parents[2]
LOOK = (
    "import sys, cogento.settings;"
    "names = {name.partition('.')[0] for name, module in sys.modules.items() if module and module.__spec__};"
    "print(*(names - sys.stdlib_module_names))"
)


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
    ("mail", "broker", "used"),
    [
        ("redis+cluster://one,two", "redis://host/1", "redis://host/1"),
        ("redis+cluster://one,two", "redis+sentinel://host/mymaster", "redis+sentinel://host/mymaster"),
        ("redis://host/0", "", "redis://host/0"),
        ("redis://host/0", "amqp://of.another.application//", "redis://host/0"),
        ("redis+sentinel://host/mymaster", "", "redis+sentinel://host/mymaster"),
    ],
)
def test_wakeups_lie_with_the_mail_but_beside_a_cluster(
    monkeypatch: pytest.MonkeyPatch, mail: str, broker: str, used: str
) -> None:
    monkeypatch.setenv("REDIS_URL", mail)
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


def test_settings_load_nothing_but_the_standard_library() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cogento"]


@pytest.mark.parametrize("text", ["0", "65536", "-1", "1.0", "1_0", "+1", "x", "9" * 30])
def test_a_number_out_of_its_bounds_is_refused_with_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://host")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("PORT", text)
    with pytest.raises(SystemExit):
        load(ReceiverSettings)
    assert (
        capsys.readouterr().err == "cogento: PORT is not usable: it must be a whole number from 1 to 65535\n"
    )


@pytest.mark.parametrize(
    ("text", "livemode"), [("true", True), ("TRUE ", True), ("1", True), ("off", False), ("no", False)]
)
def test_a_flag_is_read_in_the_usual_words(
    monkeypatch: pytest.MonkeyPatch, text: str, *, livemode: bool
) -> None:
    monkeypatch.setenv("STRIPE_LIVEMODE", text)
    assert load(AskingSettings).stripe_livemode is livemode


def test_all_that_is_wrong_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    monkeypatch.setenv("BATCH_EVENTS", "0")
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(SystemExit):
        load(WorkerSettings)
    assert {line.split()[1] for line in capsys.readouterr().err.splitlines()} == {
        "LOG_LEVEL",
        "REDIS_URL",
        "DATABASE_URL",
        "BATCH_EVENTS",
    }


def test_a_value_that_is_no_utf_8_is_refused_without_a_piece_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SENTRY_ENVIRONMENT", "\udc80")
    with pytest.raises(SystemExit):
        load(AskingSettings)
    assert capsys.readouterr().err == "cogento: SENTRY_ENVIRONMENT is not usable: it is not UTF-8\n"


def test_settings_do_not_change_once_they_are_read() -> None:
    settings = AskingSettings()
    with pytest.raises(AttributeError, match="stripe_livemode"):
        settings.stripe_livemode = True


def test_a_secret_is_shown_only_to_who_asks_for_it() -> None:
    settings = AskingSettings(stripe_api_key="rk_test_1234")
    assert "1234" not in f"{settings.stripe_api_key} {settings.stripe_api_key!r} {settings!r}"
    assert settings.stripe_api_key == SecretStr("rk_test_1234")
