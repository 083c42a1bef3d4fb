"""An event's bytes as a tree for people: masked, until somebody gives a reason to see its values.

A masked tree shows names, shapes, and values that are Stripe's own ids, words and times; in place of any other value it shows
its type. Pure. Knows nothing of how a tree is drawn, and nothing of who may see it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cogento.console.formatting import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

MASK = "•••"
MAX_NODES = 3000
MAX_DEPTH = 64
MAX_VALUE_LENGTH = 2000
MAX_DIGITS = 15

# Which values under these names are shown: any other value there is masked.
_ID = re.compile(r"[a-z][a-z0-9]{1,30}_[A-Za-z0-9_]{1,250}")
_WORD = re.compile(r"[a-z][a-z0-9_.]{0,80}")
_VERSION = re.compile(r"\d{4}-\d\d-\d\d(\.[a-z]{1,20})?")
_IDS = frozenset({
    "account", "context", "customer", "customer_account", "default_payment_method", "default_source", "discount",
    "id", "idempotency_key", "latest_invoice", "pending_setup_intent", "plan", "price", "product", "request",
    "schedule", "subscription", "test_clock",
})  # fmt: skip
_WORDS = frozenset({
    "billing_scheme", "collection_method", "currency", "interval", "object", "reason", "recurring", "status",
    "tax_exempt", "type", "usage_type",
})  # fmt: skip
_NUMBERS = frozenset({
    "billing_cycle_anchor", "cancel_at", "canceled_at", "created", "current_period_end", "current_period_start",
    "days_until_due", "ended_at", "interval_count", "next_invoice_sequence", "pending_webhooks", "quantity",
    "start_date", "total_count", "trial_end", "trial_start",
})  # fmt: skip
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FREE = frozenset({"metadata"})
"""Below these, people choose the names, too, and a name may say as much as a value."""


@dataclass(frozen=True, slots=True)
class PayloadNode:
    """One name with its value, or with the nodes below it; `text` of a branch says how many these are."""

    name: str
    text: str
    is_masked: bool = False
    children: tuple[PayloadNode, ...] = ()


def payload_tree(body: bytes, *, reveal: bool = False) -> PayloadNode:
    """Read a body, well-formed or not; masked unless `reveal`."""
    try:
        document = json.loads(
            body.decode(),
            object_pairs_hook=_Pairs,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
        )
    except (ValueError, RecursionError):
        shown = printable(body.decode("utf-8", "backslashreplace"), longest=MAX_VALUE_LENGTH)
        return PayloadNode("", shown if reveal else f"{len(body):,} bytes that are not JSON", not reveal)
    return _Reader(reveal=reveal).node("", document, depth=0, is_free=False)


class _Pairs(list[tuple[str, Any]]):
    """An object with all its names, including repeated ones."""


class _Number(str):
    """A number with exactly the digits of the body."""

    __slots__ = ()


class _Reader:
    """Makes nodes, up to the number that a page can show."""

    def __init__(self, *, reveal: bool) -> None:
        self._reveal = reveal
        self._left = MAX_NODES

    def node(self, name: str, value: Any, *, depth: int, is_free: bool) -> PayloadNode:
        """Make the node of a value and of everything below it; `is_free` where people choose the names."""
        shown_name = printable(name) if self._reveal or _is_harmless(name, is_free=is_free) else MASK
        if not isinstance(value, list):
            text = _text_of(value) if self._reveal else _masked(name, value, is_free=is_free)
            return PayloadNode(shown_name, text, is_masked=text.startswith(MASK))
        unit = "value" if isinstance(value, _Pairs) else "element"
        text = f"{len(value):,} {unit}{'' if len(value) == 1 else 's'}"
        children = self._children(name, value, depth=depth + 1, is_free=is_free or name in _FREE)
        return PayloadNode(shown_name, text, children=tuple(children))

    def _children(self, name: str, value: list[Any], *, depth: int, is_free: bool) -> Iterator[PayloadNode]:
        pairs = value if isinstance(value, _Pairs) else [(name, one) for one in value]
        for place, (child_name, child) in enumerate(pairs):
            if self._left <= 0 or depth > MAX_DEPTH:
                yield PayloadNode("…", f"{len(pairs) - place:,} more than a page can show")
                return
            self._left -= 1
            node = self.node(child_name, child, depth=depth, is_free=is_free)
            yield node if pairs is value else replace(node, name=str(place))


def _is_harmless(name: str, *, is_free: bool) -> bool:
    return not name or (not is_free and _NAME.fullmatch(name) is not None)


def _masked(name: str, value: Any, *, is_free: bool) -> str:
    """Show a value that can say nothing about a person; of any other only its type."""
    if value is None or (isinstance(value, bool) and not is_free):
        return _text_of(value)
    if isinstance(value, bool):
        return f"{MASK} boolean"
    if isinstance(value, _Number):
        return (
            str(value) if name in _NUMBERS and not is_free and len(value) <= MAX_DIGITS else f"{MASK} number"
        )
    is_shown = not is_free and (
        (name in _IDS and _ID.fullmatch(value))
        or (name in _WORDS and _WORD.fullmatch(value))
        or (name == "api_version" and _VERSION.fullmatch(value))
    )
    return str(value) if is_shown else f"{MASK} string"


def _text_of(value: Any) -> str:
    if isinstance(value, _Number):
        return printable(value)
    return printable(json.dumps(value, ensure_ascii=False), longest=MAX_VALUE_LENGTH)
