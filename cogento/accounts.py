"""The Stripe accounts of one deployment, by name: what a name is, and what follows from it. Knows no setting and no server.

A deployment that names none has one, `default`, whose keys, tables and URLs carry no name.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_ACCOUNT = "default"
LONGEST_NAME = 32
WEBHOOK_PATH = "/webhooks/stripe"
"""Where Stripe sends the default account's events; another account's name follows after a slash."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")

working_for: ContextVar[str | None] = ContextVar("working_for", default=None)
"""The account whose work is being done, for logs and counters; None where the deployment names no accounts."""


def account_name(text: str) -> str:
    """Return the name if it is valid; raises ValueError, which says what a name is made of."""
    if not _NAME.fullmatch(text):
        raise ValueError(
            "an account's name is made of small letters, digits and underscores, and begins with a letter"
        )
    if len(text) > LONGEST_NAME:
        raise ValueError(f"an account's name has at most {LONGEST_NAME} characters")
    return text


def read_names(text: str) -> tuple[str, ...]:
    """Read names separated by commas; raises ValueError for an invalid name, or one that comes twice."""
    names = tuple(account_name(name.strip()) for name in text.split(",") if name.strip())
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{twice[0]} stands there twice")
    return names


def webhook_path(account: str) -> str:
    """Return the path at which the receiver takes an account's events."""
    return WEBHOOK_PATH if account == DEFAULT_ACCOUNT else f"{WEBHOOK_PATH}/{account}"


def console_prefix(account: str) -> str:
    """Return the prefix of the paths of an account's pages in the console."""
    return "" if account == DEFAULT_ACCOUNT else f"/accounts/{account}"


def own_variable(variable: str, account: str | None) -> str:
    """Return the environment variable with an account's own value; `variable` is the default account's."""
    return variable if account in {None, DEFAULT_ACCOUNT} else f"{variable}__{account}".upper()


def default_schema(account: str) -> str:
    """Return the schema of a named account's tables, where no other is set."""
    return f"stripe_{account}"


def in_words(names: Iterable[str]) -> str:
    """List names for people."""
    return ", ".join(names)
