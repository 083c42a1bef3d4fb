"""Random true lives of one object: the events Stripe would have sent, in true order, and the truth.

Made from any `random.Random`, so that Hypothesis can shrink them and a long run can seed them. Hard on
purpose: most events tie, states come back, stamps are late, links get lost. Knows none of the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec import structs

from cogento.events.kinds.kind import Columns
from cogento.events.kinds.subscription import SubscriptionColumns
from cogento.events.names import EventId
from cogento.events.versions import ORDER_WINDOW, STAMP_JITTER, Lifecycle, Version

if TYPE_CHECKING:
    from random import Random

START = 1_780_000_000

LATEST_CREATION_STAMP = 6  # seconds of lateness recorded for *.created


@dataclass(frozen=True, slots=True)
class History:
    """The delivered events in true order, and the true second of each.

    `lost` counts the changes of which no event was delivered.
    """

    versions: tuple[Version, ...]
    lost: int
    seconds: tuple[int, ...] = ()

    @property
    def truth(self) -> Columns:
        """What the last event's snapshot says."""
        return self.versions[-1].columns


def random_history(dice: Random) -> History:
    """Run one random life, and record what was delivered of it."""
    life = _Life(dice)
    life.begin()
    for _ in range(dice.choice((0, 1, 2, 3, 3, 4, 4, 5, 6, 7))):
        life.pass_time()
        life.change()
        life.maybe_be_seen()
    life.maybe_end()
    if not life.delivered:
        life.deliver(life.sighting())
    return History(tuple(life.delivered), life.lost, tuple(life.seconds))


def excerpt(history: History, dice: Random, *, most: int) -> History:
    """Cut a history to so many events that followed each other."""
    start = dice.randint(0, max(0, len(history.versions) - most))
    kept = slice(start, start + most)
    return replace(history, versions=history.versions[kept], seconds=history.seconds[kept])


def with_gaps(history: History, dice: Random) -> History:
    """Remove the product from the events of some states, as another shape may; the others have one each."""
    bare = {version.state for version in history.versions if dice.random() < 0.4}
    versions = (_carrying(None if v.state in bare else f"prod_{v.event_id}", v) for v in history.versions)
    return replace(history, versions=tuple(versions))


def with_answers(history: History) -> History:
    """Turn every sighting into an answer of Stripe: stamped by its clock, never late."""
    told = zip(history.versions, history.seconds, strict=True)
    versions = (
        structs.replace(v, fetched=True, created=second) if _is_sighting(v) else v for v, second in told
    )
    return replace(history, versions=tuple(versions))


def with_outdated_answers(history: History, dice: Random) -> History:
    """Add answers of a lagging replica after some of the changes: they show the state before."""
    outdated = [_outdated(v, dice) for v in history.versions if v.before and dice.random() < 0.4]
    return replace(history, versions=(*history.versions, *outdated))


def _is_sighting(version: Version) -> bool:
    return version.before is None and version.lifecycle is Lifecycle.CHANGED


def _outdated(left: Version, dice: Random) -> Version:
    return version(
        f"{left.event_id}_answer",
        left.created + dice.choice((0, 1, 3, 4, 10, 59)),
        (left.before or b"").decode(),
        fetched=True,
    )


def _carrying(product_id: str | None, version: Version) -> Version:
    assert isinstance(version.columns, SubscriptionColumns)
    return structs.replace(version, columns=structs.replace(version.columns, product_id=product_id))


class _Life:
    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.now = START
        self.lateness = dice.choice((0, 0, ORDER_WINDOW, STAMP_JITTER))
        self.loss = dice.choice((0.0, 0.0, 0.0, 0.15))
        self.alphabet = "abcdefgh"[: dice.choice((2, 3, 4, 8))]
        self.grows = dice.random() < 0.3
        self.shrinks = dice.random() < 0.5
        self.is_doubled = dice.random() < 0.15
        self.invoices = 5
        self.past = [dice.choice(self.alphabet)]
        self.ended = False
        self.lost = 0
        self.delivered: list[Version] = []
        self.seconds: list[int] = []
        self.events = 0

    def begin(self) -> None:
        if self.dice.random() < 0.7:
            late = self.dice.randint(0, LATEST_CREATION_STAMP)
            self.deliver(self._event(None, lifecycle=Lifecycle.CREATED, stamp=self.now + late))

    def pass_time(self) -> None:
        self.now += 0 if self.dice.random() < 0.57 else self.dice.choice((1, 1, 2, 3, 4, 10, 1000))

    def change(self) -> None:
        before, now = self.past[-1], self._next_state()
        self.past.append(now)
        self.invoices = self._next_invoice()
        if self.dice.random() < self.loss:
            self.lost += before != now
        else:
            self._tell(before)

    def _next_invoice(self) -> int:
        """The number of the next invoice mostly grows; its owner may lower it again."""
        if self.grows and self.shrinks and self.dice.random() < 0.5:
            return self.dice.randint(1, self.invoices)
        return self.invoices + (self.grows and self.dice.choice((0, 0, 1)))

    def _tell(self, before: str) -> None:
        """Add the events of one change by one request: two events where two endpoints get it."""
        request = f"req_{self.events}".encode() if self.is_doubled or self.dice.random() < 0.3 else None
        told = self._event(before, request=request)
        self.deliver(told)
        if self.is_doubled and self.dice.random() < 0.7:
            stamp = min(told.created + self.dice.choice((0, 0, 1)), self.now + STAMP_JITTER)
            self.deliver(structs.replace(told, event_id=EventId(self._fresh_id()), created=stamp))

    def maybe_be_seen(self) -> None:
        if self.dice.random() < 0.12:
            self.deliver(self.sighting())

    def maybe_end(self) -> None:
        if self.dice.random() > 0.25:
            return
        self.pass_time()
        before, self.ended = self.past[-1], True
        self.past.append("X")
        how = self.dice.choice(("deleted", "updated", "both"))
        if how != "deleted":
            self._tell(before)
        if how != "updated":
            self.deliver(self._event(None, lifecycle=Lifecycle.DELETED))
        self.alphabet = "XYZ"
        for _ in range(self.dice.choice((0, 0, 0, 1, 2))):
            self.pass_time()
            self.change()

    def deliver(self, version: Version) -> None:
        self.delivered.append(version)
        self.seconds.append(self.now)

    def sighting(self) -> Version:
        return self._event(None)

    def _next_state(self) -> str:
        if len(self.past) > 1 and self.dice.random() < 0.3 and self.past[-2] in self.alphabet:
            return self.past[-2]
        return self.dice.choice(self.alphabet)

    def _event(
        self,
        before: str | None,
        *,
        lifecycle: Lifecycle = Lifecycle.CHANGED,
        stamp: int | None = None,
        request: bytes | None = None,
    ) -> Version:
        state = self.past[-1]
        return version(
            self._fresh_id(),
            self.now + self.dice.randint(0, self.lateness) if stamp is None else stamp,
            state,
            before,
            lifecycle=lifecycle,
            terminal=self.ended,
            growing=(self.invoices,) if self.grows else (),
            request=request,
        )

    def _fresh_id(self) -> str:
        """Ids are unique and say nothing of order."""
        self.events += 1
        return f"evt_{self.dice.randrange(1000):03}{self.events:02}"


def version(
    event_id: str,
    created: int,
    state: str,
    before: str | None = None,
    *,
    lifecycle: Lifecycle = Lifecycle.CHANGED,
    terminal: bool = False,
    growing: tuple[int, ...] = (),
    fetched: bool = False,
    request: bytes | None = None,
) -> Version:
    """Build a version whose state is a letter and whose columns show that letter."""
    return Version(
        event_id=EventId(event_id),
        created=created,
        lifecycle=lifecycle,
        terminal=terminal,
        state=state.encode(),
        before=None if before is None else before.encode(),
        growing=growing,
        columns=columns(state),
        fetched=fetched,
        request=request,
    )


def columns(state: str) -> SubscriptionColumns:
    """Build columns that differ exactly where the states differ."""
    return SubscriptionColumns(
        customer_id="cus_1",
        product_id="prod_1",
        status=state,
        current_period_start=START,
        current_period_end=START + 1,
        metadata="{}",
        stripe_created_at=START,
        items=f'["{state}"]',
        cancel_at_period_end=state < "c",
        cancel_at=START + ord(state[0]),
        canceled_at=START if state < "b" else None,
        start_date=START,
        collection_method=state,
    )
