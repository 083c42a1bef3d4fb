"""The environment as one account's settings see it, and what every process reads of it.

Where STRIPE_ACCOUNTS names accounts, a variable in OWN belongs to the account named by its suffix: STRIPE_API_KEY__EU to `eu`.
Without a suffix it belongs to the account `default`. Every other variable is the whole deployment's.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from cogento.accounts import DEFAULT_ACCOUNT, default_schema, in_words, own_variable, read_names
from cogento.settings.setting import Settings, setting
from cogento.settings.values import matching, sentry_dsn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OWN = frozenset(
    {
        "stripe_webhook_secret",
        "stripe_thin_webhook_secret",
        "stripe_api_key",
        "stripe_account",
        "stripe_livemode",
        "database_schema",
    }
)
"""The fields that each account has of its own."""
FOR_ALL = frozenset({"stripe_livemode"})
"""Of these the variable without a suffix counts for each account that has none of its own."""


OF_ACCOUNTS = frozenset({"stripe_accounts", "cogento_account"})
"""The fields that say which accounts there are, and which one is meant."""


class UnchosenAccountError(ValueError):
    """None of several accounts is chosen."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"STRIPE_ACCOUNTS names {in_words(names)}")


def variable_of(field: str, account: str | None) -> str:
    """Name the environment variable that holds an account's value of a field."""
    variable = field.upper()
    return own_variable(variable, account) if field in OWN else variable


class AccountNames(Settings):
    """The names of the deployment's accounts."""

    stripe_accounts = setting(
        read_names,
        (),
        description="The names of several Stripe accounts in this deployment; none: there is one.",
    )


class Environment(AccountNames):
    """What every process reads."""

    cogento_account = setting(
        str, None, description="Which of STRIPE_ACCOUNTS a command is about, where no --account says it."
    )
    sentry_dsn = setting(sentry_dsn, None, description="Where errors are reported; unset: nowhere.")
    sentry_environment = setting(
        matching(r"[^\s/]{1,64}", "it has at most 64 characters, and no space or slash"),  # as Sentry has it
        "production",
        description="What Sentry calls this deployment.",
    )
    log_level = setting(
        matching("DEBUG|INFO|WARNING|ERROR", "it must be DEBUG, INFO, WARNING or ERROR"),
        "INFO",
        description="Least severe log lines written.",
    )

    @cogento_account.checked
    @staticmethod
    def _require_a_named_one(account: str | None, others: Mapping[str, Any]) -> str | None:
        """Require that one of several accounts is chosen, and exists."""
        names = others.get("stripe_accounts")  # absent when it was refused itself
        if names is None:
            return account
        if account is None and names:
            raise UnchosenAccountError(names)
        if account is not None and account not in (names or (DEFAULT_ACCOUNT,)):
            known = f"STRIPE_ACCOUNTS names {in_words(names)}" if names else "STRIPE_ACCOUNTS names none"
            raise ValueError(f"it is not the name of an account: {known}")
        return account

    @property
    def account(self) -> str:
        """The name of the account whose settings these are."""
        return self.cogento_account or DEFAULT_ACCOUNT

    @property
    def account_label(self) -> str | None:
        """The account's name where the deployment names its accounts, for logs, metrics and people; else None."""
        return self.account if self.stripe_accounts else None

    def variable(self, field: str) -> str:
        """Return the environment variable of one of these settings, for messages."""
        return variable_of(field, self.cogento_account)

    def _find(self, name: str, given: Mapping[str, Any]) -> str | None:
        """Return what the environment says of a field to the account that was given, or that COGENTO_ACCOUNT names."""
        shared = super()._find(name, given)
        account = given.get("cogento_account", os.environ.get("COGENTO_ACCOUNT")) or DEFAULT_ACCOUNT
        if name not in OWN or account == DEFAULT_ACCOUNT:
            return shared
        own = os.environ.get(variable_of(name, account))
        if not own and name == "database_schema":
            return default_schema(account)
        return own or (shared if name in FOR_ALL else None)
