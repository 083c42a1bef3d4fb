"""Several accounts in one deployment: what is each one's own, and what is refused."""

from __future__ import annotations

import pytest

from cogento.accounts import webhook_path
from cogento.settings import (
    EX_CONFIG,
    AlertSettings,
    AskingSettings,
    DatabaseSettings,
    MailboxSettings,
    ReceiverSettings,
    WorkerSettings,
    load,
    load_each,
)

SECRET_EU, SECRET_US = f"whsec_{'e' * 32}", f"whsec_{'u' * 32}"
TWO = {
    "REDIS_URL": "redis://host:6379/0",
    "DATABASE_URL": "postgresql://user@host/name",
    "STRIPE_ACCOUNTS": "default,eu",
    "STRIPE_WEBHOOK_SECRET": SECRET_US,
    "STRIPE_WEBHOOK_SECRET__EU": SECRET_EU,
    "STRIPE_API_KEY": "rk_test_1",
    "STRIPE_API_KEY__EU": "rk_test_2",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for variable, value in TWO.items():
        monkeypatch.setenv(variable, value)
    return monkeypatch


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence in which a process that reads each account's settings was ended."""
    with pytest.raises(SystemExit) as ended:
        load_each(ReceiverSettings)
    assert ended.value.code == EX_CONFIG
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.usefixtures("environment")
def test_each_account_has_its_own_secret_key_and_schema() -> None:
    workers, receivers = load_each(WorkerSettings), load_each(ReceiverSettings)
    assert [one.account for one in workers] == ["default", "eu"]
    assert [one.webhook_secrets for one in receivers] == [(SECRET_US,), (SECRET_EU,)]
    assert [one.stripe_api_key.get_secret_value() for one in workers if one.stripe_api_key] == [
        "rk_test_1",
        "rk_test_2",
    ]
    assert [one.database_schema for one in workers] == ["public", "stripe_eu"]
    assert workers[1].database_url.get_secret_value() == "postgresql://user@host/name?schema=stripe_eu"


@pytest.mark.usefixtures("environment")
def test_what_is_not_an_accounts_own_is_the_same_for_all() -> None:
    assert {one.redis_url.get_secret_value() for one in load_each(MailboxSettings)} == {"redis://host:6379/0"}


def test_mode_is_the_deployments_unless_an_account_has_its_own(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STRIPE_LIVEMODE", "true")
    environment.setenv("STRIPE_API_KEY", "rk_live_1")
    environment.setenv("STRIPE_LIVEMODE__EU", "false")
    assert [one.stripe_livemode for one in load_each(AskingSettings)] == [True, False]


def test_connected_account_of_one_is_not_the_others(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STRIPE_ACCOUNT", "acct_1")
    assert [one.stripe_account for one in load_each(AskingSettings)] == ["acct_1", None]


def test_schema_of_an_account_can_be_chosen(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_SCHEMA__EU", "europe")
    assert [one.database_schema for one in load_each(DatabaseSettings)] == ["public", "europe"]


def test_without_names_there_is_one_account_and_nothing_is_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://host")
    (settings,) = load_each(MailboxSettings)
    assert (settings.account, settings.account_label) == ("default", None)


@pytest.mark.usefixtures("environment")
def test_command_is_about_the_account_that_is_chosen() -> None:
    settings = load(WorkerSettings, cogento_account="eu")
    assert (settings.account_label, settings.database_schema) == ("eu", "stripe_eu")


def test_command_is_about_the_account_that_the_environment_names(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("COGENTO_ACCOUNT", "eu")
    assert load(AlertSettings).deployment == "Cogento eu test"


@pytest.mark.usefixtures("environment")
def test_one_of_several_accounts_must_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load(MailboxSettings)
    assert ended.value.code == EX_CONFIG
    assert capsys.readouterr().err == (
        "cogento: no account is chosen: give --account NAME, or set COGENTO_ACCOUNT. STRIPE_ACCOUNTS names default, eu\n"
    )


@pytest.mark.usefixtures("environment")
def test_account_that_is_not_named_cannot_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(WorkerSettings, cogento_account="us")
    assert capsys.readouterr().err == (
        "cogento: COGENTO_ACCOUNT is not usable: it is not the name of an account: STRIPE_ACCOUNTS names default, eu\n"
    )


def test_complaint_names_the_accounts_own_variable(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("STRIPE_WEBHOOK_SECRET__EU")
    assert refused(capsys).startswith("cogento: STRIPE_WEBHOOK_SECRET__EU is not set")


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("STRIPE_WEBHOOK_SECRET__EU", SECRET_US, "STRIPE_WEBHOOK_SECRET has the same"),
        ("STRIPE_WEBHOOK_SECRET__EU", f"{SECRET_EU},{SECRET_US}", "STRIPE_WEBHOOK_SECRET has the same"),
        ("STRIPE_THIN_WEBHOOK_SECRET__EU", SECRET_US, "STRIPE_WEBHOOK_SECRET has the same"),
        ("STRIPE_API_KEY__EU", "rk_test_1", "STRIPE_API_KEY has the same"),
        ("STRIPE_API_KEY__EU", "rk_live_1", "a key of the other mode"),
        ("STRIPE_ACCOUNTS", "default,EU", "made of small letters"),
        ("STRIPE_ACCOUNTS", "eu,default,eu", "eu stands there twice"),
        ("STRIPE_ACCOUNTS", "e" * 33, "at most 32 characters"),
    ],
)
def test_what_cannot_be_right_is_refused_in_one_sentence_without_a_secret(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    complaint: str,
) -> None:
    environment.setenv(variable, value)
    line = refused(capsys)
    assert line.startswith(f"cogento: {variable} is not usable: ")
    assert complaint in line
    assert SECRET_US not in line


def test_one_account_may_have_one_secret_for_both_kinds_of_events(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STRIPE_THIN_WEBHOOK_SECRET__EU", SECRET_EU)
    assert [one.account for one in load_each(ReceiverSettings)] == ["default", "eu"]


@pytest.mark.parametrize("schema", ["public", "cogento_internal"])
def test_two_accounts_cannot_have_one_schema(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], schema: str
) -> None:
    environment.setenv("DATABASE_SCHEMA__EU", schema)
    with pytest.raises(SystemExit):
        load_each(DatabaseSettings)
    assert "DATABASE_SCHEMA__EU is not usable: DATABASE_SCHEMA has the same" in capsys.readouterr().err


def test_secret_without_a_name_is_refused_where_no_account_is_called_default(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("STRIPE_ACCOUNTS", "eu")
    environment.delenv("STRIPE_API_KEY")
    assert refused(capsys).startswith(
        "cogento: STRIPE_WEBHOOK_SECRET is not usable: STRIPE_ACCOUNTS does not name default, whose it is."
    )


def test_webhooks_of_an_account_come_to_its_own_path() -> None:
    assert [webhook_path(name) for name in ("default", "eu")] == [
        "/webhooks/stripe",
        "/webhooks/stripe/eu",
    ]
