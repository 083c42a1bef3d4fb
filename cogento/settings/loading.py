"""Reading the settings of a process, for one account or for each, or ending it with a message.

A wrong value ends the process with one line that says what to do and exit code 78 (EX_CONFIG), never with the value of a
secret.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from cogento.accounts import DEFAULT_ACCOUNT
from cogento.database_schema import internal_schema
from cogento.settings.environment import (
    CHOOSE,
    FOR_ALL,
    OF_ACCOUNTS,
    OWN,
    AccountNames,
    Environment,
    variable_of,
)
from cogento.settings.values import secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import SecretStr

EX_CONFIG = 78
SIGNING_SECRETS = ("stripe_webhook_secret", "stripe_thin_webhook_secret")
"""Settings of which each takes events of both kinds."""

S = TypeVar("S", bound=BaseSettings)
E = TypeVar("E", bound=Environment)


def load(kind: type[S], **given: Any) -> S:
    """Read one process's settings, or end the process with one clear line per problem and exit code 78.

    Values that are `given` replace those of the environment.
    """
    try:
        return kind(**given)
    except ValidationError as error:
        refuse(*_complaints(error, given.get("cogento_account", os.environ.get("COGENTO_ACCOUNT"))))


def load_each(kind: type[E], **given: Any) -> tuple[E, ...]:
    """Read one process's settings for each account of the deployment, or end the process as `load` does.

    Without STRIPE_ACCOUNTS there is one account. No two accounts may share a value that each must have of its own.
    """
    names = load(AccountNames).stripe_accounts
    if not names:
        return (load(kind, cogento_account=None, **given),)
    each: list[E] = []
    problems: list[str] = []
    for name in names:
        try:
            each.append(kind(cogento_account=name, **given))
        except ValidationError as error:
            problems += _complaints(error, name)
    problems += [*_unclaimed(kind, names), *(said for _, said in _doubled(each))]
    if problems:
        refuse(*dict.fromkeys(problems))
    return tuple(each)


def load_chosen(kind: type[E]) -> tuple[E, ...]:
    """Read the settings of the account that a command is about, or of each where it is about none in particular."""
    return (load(kind),) if os.environ.get("COGENTO_ACCOUNT") else load_each(kind)


def problems_of(kind: type[BaseSettings]) -> tuple[str, ...]:
    """Return what is wrong with one process's settings, in the words in which `load` refuses them; empty if nothing is.

    With several accounts: of the chosen one, including values that it shares with another.
    """
    try:
        settings = kind()
    except ValidationError as error:
        return tuple(_complaints(error, os.environ.get("COGENTO_ACCOUNT")))
    if not isinstance(settings, Environment) or not settings.stripe_accounts:
        return ()
    names = settings.stripe_accounts
    each = (_read(type(settings), cogento_account=name) for name in names)
    doubled = _doubled([one for one in each if one])
    own = (said for account, said in doubled if account == settings.account)
    return tuple(dict.fromkeys([*_unclaimed(kind, names), *own]))


def _read(kind: type[E], **given: Any) -> E | None:
    """Read settings; None where they are not usable."""
    try:
        return kind(**given)
    except ValidationError:
        return None


def _complaints(error: ValidationError, account: str | None) -> Iterator[str]:
    problems = error.errors()
    if unchosen := next((problem for problem in problems if problem["type"] == CHOOSE), None):
        yield f"no account is chosen: give --account NAME, or set COGENTO_ACCOUNT. STRIPE_ACCOUNTS names {unchosen['ctx']['names']}"
        return
    # Which account the other problems belong to depends on this.
    of_accounts = [problem for problem in problems if problem["loc"][0] in OF_ACCOUNTS]
    for problem in of_accounts or problems:
        variable = variable_of(".".join(map(str, problem["loc"])), account)
        message = problem["msg"].removeprefix("Value error, ")
        yield (
            f"{variable} is not set; docs/settings.md says what it holds"
            if problem["type"] == "missing"
            else f"{variable} is not usable: {message}"
        )


def _unclaimed(kind: type[BaseSettings], names: Sequence[str]) -> Iterator[str]:
    """Find variables of the account `default` where there is no such account: its events would be refused without notice."""
    if DEFAULT_ACCOUNT in names:
        return
    for field in sorted((OWN - FOR_ALL) & kind.model_fields.keys()):
        if os.environ.get(field.upper()):
            yield (
                f"{field.upper()} is not usable: STRIPE_ACCOUNTS does not name {DEFAULT_ACCOUNT}, whose it is. "
                f"Add that name, or end the variable with that of its account: {variable_of(field, names[0])}"
            )


def _doubled(each: Sequence[Environment]) -> Iterator[tuple[str, str]]:
    """Find values that two accounts share, and report the later account: events, answers or rows of one would be taken for the other's."""
    holders: dict[tuple[str, str], tuple[str, str]] = {}
    for settings in each:
        for field, value in _distinct_values(settings):
            variable = variable_of(field, settings.account)
            kind = "secret" if field in SIGNING_SECRETS else field
            holder, other = holders.setdefault((kind, value), (settings.account, variable))
            if holder != settings.account:
                said = f"{variable} is not usable: {other} has the same, and no two accounts share it"
                yield settings.account, said


def _distinct_values(settings: Environment) -> Iterator[tuple[str, str]]:
    """Yield an account's values that no other account may have, each with its field."""
    for field in SIGNING_SECRETS:
        for secret in secrets_in(getattr(settings, field, None)):
            yield field, secret
    key: SecretStr | None = getattr(settings, "stripe_api_key", None)
    if key is not None:
        yield "stripe_api_key", key.get_secret_value()
    schema: str | None = getattr(settings, "database_schema", None)
    if schema is not None:
        yield "database_schema", schema
        yield "database_schema", internal_schema(schema)


def refuse(*problems: str) -> NoReturn:
    """End the process: it cannot do its work with this configuration."""
    for problem in problems:
        print(f"cogento: {problem}", file=sys.stderr)  # noqa: T201 - before logging is configured
    raise SystemExit(EX_CONFIG)
