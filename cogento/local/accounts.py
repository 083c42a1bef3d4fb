"""The accounts of a `cogento run`: their names, and what each has of its own.

The first is `default`, with the same data as the account of a run of one: so a data folder can be used with one account and with
several.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.accounts import DEFAULT_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.local.data_folder import DataFolder


def account_names(number: int) -> tuple[str, ...]:
    """Name so many accounts: default, shop2, shop3 and so on."""
    return (DEFAULT_ACCOUNT, *(f"shop{place}" for place in range(2, number + 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalAccount:
    """An account's name, and the secrets that sign its events: one, or several separated by commas."""

    name: str
    webhook_secret: str
    thin_webhook_secret: str


def plan_accounts(names: Sequence[str], folder: DataFolder) -> tuple[LocalAccount, ...]:
    """Give each account the secrets of the data folder, made on first use, or those that the environment has for the default one."""
    return tuple(
        LocalAccount(
            name=name,
            webhook_secret=_given("STRIPE_WEBHOOK_SECRET", name) or folder.webhook_secret(name),
            thin_webhook_secret=_given("STRIPE_THIN_WEBHOOK_SECRET", name)
            or folder.thin_webhook_secret(name),
        )
        for name in names
    )


def _given(variable: str, account: str) -> str | None:
    return os.environ.get(variable) if account == DEFAULT_ACCOUNT else None
