"""What operators did: who, when, about what and why, for everything that changes something or shows what is hidden.

Actions on single letters are written with the letter (cogento/store/dead_letters.py) and join in here when read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cogento.events.strict_json import safe_json, safe_text
from schema.queries import query

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from cogento.store.database import Database

_RECORD = query("activity_record")
_PAGE = query("activity_page")
_FORGET = query("activity_forget")

RETENTION_DAYS = 400
"""How long activity, and bulk operations that have ended, are kept: an audit looks back a year."""


class Action(StrEnum):
    """What an operator can do."""

    LOGIN = "login"
    RETRY = "retry"
    DISCARD = "discard"
    REOPEN = "reopen"
    STOP = "stop"
    CONTINUE = "continue"
    PAUSE = "pause"
    RESUME = "resume"
    TRY_NOW = "try_now"
    REVEAL = "reveal"
    VERIFY = "verify"
    REPAIR = "repair"
    SWEEP = "sweep"
    FORGET = "forget"
    BACKFILL = "backfill"
    ROLES = "roles"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityEntry:
    """One thing that was done; `about` is a customer, object or event, and `details` are ids and numbers.

    `details` name the `letter` of an action on a single one, and the `operation` of a bulk retry or discard.
    """

    id: int
    at: dt.datetime
    who: str
    action: str
    about: str | None
    why: str
    details: Mapping[str, object]


class Activity:
    """The activity of a database's operators."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self,
        *,
        who: str,
        action: Action,
        about: str | None = None,
        why: str = "",
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Write down what was done; no personal data belongs in it."""
        written = json.dumps(safe_json(dict(details or {})))
        about = None if about is None else safe_text(about)
        await self._database.write(_RECORD, safe_text(who), action, about, safe_text(why), written)

    async def page(
        self,
        who: str | None = None,
        action: str | None = None,
        about: str | None = None,
        below: int | None = None,
        limit: int = 50,
    ) -> list[ActivityEntry]:
        """List what was done, newest first; `below` is an id to page on.

        What workers did to letters by themselves is listed only where `who` is "worker" or `about` is given.
        """
        rows = await self._database.search(_PAGE, who, action, about, below, limit)
        return [ActivityEntry(**{**row, "details": json.loads(row["details"])}) for row in rows]

    async def forget_old(self, *, days: int) -> None:
        """Delete what was done more than `days` ago, and bulk operations that ended before that.

        The record that a person was forgotten stays: whoever restores a backup needs it.
        """
        await self._database.write(_FORGET, days)
