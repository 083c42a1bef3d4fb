"""Stores for tests without a loop of their own, and events applied through one as a worker would."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cogento import runtime
from cogento.events.event import read_event
from cogento.events.outcomes import Source
from cogento.store.store import Delivery, Store
from tests.support import builders

if TYPE_CHECKING:
    from collections.abc import Iterator

Happened = Callable[..., None]


def lend_store(url: str, *, pool_size: int = 1, name: str = "test") -> Iterator[Store]:
    """Give a store that is closed afterwards."""
    opened = runtime.run(Store.open(url, pool_size=pool_size, application_name=name))
    yield opened
    runtime.run(opened.close())


def apply_through(store: Store) -> Happened:
    """Return what applies an event of a type, an object and the fields of `builders.event_body`."""

    def apply(type_: str, object_: dict[str, Any], **fields: Any) -> None:
        event = read_event(builders.event_body(type_, object_, **fields))
        runtime.run(
            store.apply([Delivery(event, received_ms=builders.NOW * 1000, attempts=0, source=Source.WEBHOOK)])
        )

    return apply
