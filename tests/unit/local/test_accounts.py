from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.local.accounts import account_names, plan_accounts
from cogento.local.data_folder import DataFolder
from cogento.settings.values import MINIMUM_SECRET_LENGTH

if TYPE_CHECKING:
    from pathlib import Path

VARIABLES = ("STRIPE_WEBHOOK_SECRET", "STRIPE_THIN_WEBHOOK_SECRET")
GIVEN = f"whsec_{'g' * 32}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    return DataFolder(tmp_path)


def test_one_account_is_the_default_one() -> None:
    assert account_names(1) == ("default",)


def test_secrets_are_made_once_and_kept(folder: DataFolder) -> None:
    assert plan_accounts(account_names(3), folder) == plan_accounts(account_names(3), folder)


def test_each_secret_is_one_accounts_own(folder: DataFolder) -> None:
    accounts = plan_accounts(account_names(3), folder)

    secrets = {secret for one in accounts for secret in (one.webhook_secret, one.thin_webhook_secret)}
    assert len(secrets) == 6
    assert min(map(len, secrets)) >= MINIMUM_SECRET_LENGTH


def test_default_account_has_the_secrets_of_a_run_of_one(folder: DataFolder) -> None:
    (alone,) = plan_accounts(account_names(1), folder)

    assert plan_accounts(account_names(2), folder)[0] == alone


def test_secret_of_the_environment_is_the_default_accounts_alone(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", GIVEN)

    first, second = plan_accounts(account_names(2), folder)

    assert first.webhook_secret == GIVEN
    assert GIVEN not in {first.thin_webhook_secret, second.webhook_secret, second.thin_webhook_secret}
