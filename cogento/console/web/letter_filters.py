"""Which dead letters a page is about: read from its query, checked, and written again for links.

The same filters as the commands', under the same names. An invalid filter is refused with a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import abort, url_for

from cogento.console.formatting import parse_age
from cogento.events.letters import LetterReason
from cogento.store.letter_records import LetterFilter, LetterStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.datastructures import MultiDict

ALL = "all"
STATUSES = (*(status.value for status in LetterStatus), ALL)
MAX_LENGTH = 255
MAX_NUMBER = 2**63 - 1
MAX_TICKED = 100
AGE = "a length of time looks like 90s, 30min, 12h, 3d or 2w"


@dataclass(frozen=True, slots=True)
class LetterQuery:
    """A filter, the letters that were ticked, if any were, and the query arguments for all of it.

    `below` is an id to page on, and only in the link to older letters.
    """

    which: LetterFilter
    status: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    below: int | None = None
    ticked: tuple[int, ...] = ()

    @property
    def is_narrowed(self) -> bool:
        """Whether it filters by more than the status."""
        return bool(set(self.arguments) - {"status"})

    def link(self, **changed: Any) -> str:
        """Return the list's URL with some arguments changed; None leaves one out."""
        return url_for("letters", **(dict(self.arguments) | changed))

    def bulk_link(self, action: str) -> str:
        """Return the URL of the confirmation page for an action on all letters that match, or on those ticked."""
        asked: dict[str, Any] = {**self.arguments, "letter": list(self.ticked)}
        return url_for("confirm_letters", action=action, **asked)


def read_query(given: MultiDict[str, str]) -> LetterQuery:
    """Read the arguments of a query or form; aborts with 400 where one is not a valid filter."""
    words = {name: given.get(name, "").strip() for name in _FIELDS}
    arguments = {name: word for name, word in words.items() if word}
    for name, word in arguments.items():
        if len(word) > MAX_LENGTH:
            abort(400, f"“{name}” is longer than {MAX_LENGTH} characters.")
    status = arguments.get("status", LetterStatus.OPEN)
    if status not in STATUSES:
        abort(400, f"status is one of {', '.join(STATUSES)}.")
    reason = arguments.get("reason")
    if reason is not None and reason not in set(LetterReason):
        abort(400, f"reason is one of {', '.join(LetterReason)}.")
    which = LetterFilter(
        statuses=frozenset(LetterStatus if status == ALL else {LetterStatus(status)}),
        reason=reason,
        type=arguments.get("type"),
        about=arguments.get("customer"),
        fingerprint=arguments.get("fingerprint"),
        older_than_seconds=_age("older", arguments),
        newer_than_seconds=_age("newer", arguments),
        text=arguments.get("text"),
        removals="removals" in arguments,
        operation=_number("operation", arguments["operation"]) if "operation" in arguments else None,
    )
    ticked = tuple(dict.fromkeys(_number("letter", word) for word in given.getlist("letter")))
    if len(ticked) > MAX_TICKED:
        abort(400, f"At most {MAX_TICKED} letters can be ticked; filters take any number.")
    below = given.get("below", "").strip()
    return LetterQuery(which, status, arguments, _number("below", below) if below else None, ticked)


_FIELDS = (
    "status", "reason", "type", "customer", "fingerprint", "newer", "older", "text", "removals", "operation"
)  # fmt: skip


def _age(name: str, arguments: Mapping[str, str]) -> int | None:
    if name not in arguments:
        return None
    seconds = parse_age(arguments[name])
    if seconds is None:
        abort(400, f"{name}: {AGE}.")
    return seconds


def _number(name: str, word: str) -> int:
    if not (word.isascii() and word.isdecimal() and 0 < int(word[:20]) <= MAX_NUMBER):
        abort(400, f"{name} is a number from 1 on.")
    return int(word)
