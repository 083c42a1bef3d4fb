"""Stripe's lists: newest first, a page at a time, from a cursor or in a range of seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from cogento.local.stripe.account import CreationOrder, Seconds
from cogento.local.stripe.errors import invalid_integer, no_such, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

T = TypeVar("T")

DEFAULT_LIMIT = 10
LARGEST_LIMIT = 100
_PAGING = frozenset({"limit", "starting_after", "ending_before"})
_BOUNDS = {"gte": (0, None), "gt": (1, None), "lt": (None, 0), "lte": (None, 1)}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A request for a list; `filters` by name, with several values where the parameter is an array."""

    limit: int
    starting_after: str | None
    ending_before: str | None
    seconds: Seconds
    filters: dict[str, tuple[str, ...]]

    def value(self, name: str) -> str | None:
        """The value of a filter that takes one."""
        values = self.filters.get(name)
        return values[-1] if values else None


@dataclass(frozen=True, slots=True)
class ListPage:
    """Ids of one page in Stripe's order, and whether more follow in the direction of the walk."""

    ids: tuple[str, ...]
    has_more: bool


def read_list_query(query: Iterable[tuple[str, str]], *, filters: Collection[str]) -> ListQuery:
    """Read a query string; raises ApiError for what Stripe refuses."""
    paging: dict[str, str] = {}
    chosen: dict[str, tuple[str, ...]] = {}
    seconds = Seconds()
    for key, value in query:
        name, _, rest = key.partition("[")
        if name == "created":
            seconds = _narrowed(seconds, rest.rstrip("]"), _integer(key, value))
        elif name in _PAGING:
            paging[name] = value
        elif name in filters:
            chosen[name] = (*chosen.get(name, ()), value)
        else:
            raise unknown_parameter(name)
    return ListQuery(
        _limit(paging), paging.get("starting_after"), paging.get("ending_before"), seconds, chosen
    )


def page(order: CreationOrder, query: ListQuery, *, kind: str, fits: Callable[[str], bool]) -> ListPage:
    """Cut the page that the query asks for out of the ids that fit."""
    if query.ending_before is not None:
        _check_cursor(order, query.ending_before, kind=kind, param="ending_before")
        newer = filter(fits, order.oldest_first(query.seconds, after=query.ending_before))
        ids, has_more = _cut(newer, query.limit)
        return ListPage(ids[::-1], has_more)
    if query.starting_after is not None:
        _check_cursor(order, query.starting_after, kind=kind, param="starting_after")
    older = filter(fits, order.newest_first(query.seconds, after=query.starting_after))
    return ListPage(*_cut(older, query.limit))


def _cut(ids: Iterable[str], limit: int) -> tuple[tuple[str, ...], bool]:
    found = tuple(islice(ids, limit + 1))
    return found[:limit], len(found) > limit


def _check_cursor(order: CreationOrder, cursor: str, *, kind: str, param: str) -> None:
    if cursor not in order:
        raise no_such(kind, cursor, param=param, status=400)


def _limit(paging: dict[str, str]) -> int:
    given = paging.get("limit", str(DEFAULT_LIMIT))
    limit = _integer("limit", given)
    if not 1 <= limit <= LARGEST_LIMIT:
        raise invalid_integer("limit", given)
    return limit


def _integer(name: str, value: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,12}", value):
        raise invalid_integer(name, value)
    return int(value)


def _narrowed(seconds: Seconds, bound: str, second: int) -> Seconds:
    if not bound:
        return Seconds(second, second + 1)
    if bound not in _BOUNDS:
        raise unknown_parameter(f"created[{bound}]")
    since, before = _BOUNDS[bound]
    return Seconds(
        seconds.since if since is None else second + since,
        seconds.before if before is None else second + before,
    )
