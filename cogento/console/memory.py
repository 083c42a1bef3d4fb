"""The last two minutes as they were seen, second by second, and what they add up to.

Takes looks and gives overviews; knows no servers and no clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from cogento.console.overview import CustomerLine, Overview, SecondBucket, SubscriptionLine, Throughput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.queue.figures import QueueFigures
    from cogento.store.figures import TableFigures
    from cogento.store.recent import NewCustomer, NewSubscription, Settled

SECONDS_SHOWN = 120
PACE_SECONDS = 10
LINES_SHOWN = 8

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at both servers, at a Unix second; one that is away, or in trouble, leaves None and nothing."""

    second: int
    mail: QueueFigures | None = None
    tables: TableFigures | None = None
    settled: Sequence[Settled] = ()
    customers: Sequence[NewCustomer] = ()
    subscriptions: Sequence[NewSubscription] = ()
    queue_problem: str | None = None
    tables_problem: str | None = None


@dataclass(slots=True)
class History:
    """What the looks have told; not safe for threads."""

    looks: deque[Sample] = field(default_factory=lambda: deque(maxlen=SECONDS_SHOWN))
    settled: dict[int, dict[str, int]] = field(default_factory=dict)
    customers: dict[str, tuple[float, NewCustomer]] = field(default_factory=dict)
    subscriptions: dict[str, tuple[float, NewSubscription]] = field(default_factory=dict)

    def add(self, look: Sample) -> None:
        """Remember a look. What it counts of a second was counted by no other look, and is added."""
        self.looks.append(look)
        for count in look.settled:
            counted = self.settled.setdefault(count.second, {})
            counted[count.outcome] = counted.get(count.outcome, 0) + count.events
        for second in [second for second in self.settled if second < look.second - SECONDS_SHOWN]:
            del self.settled[second]
        for customer in look.customers:
            self.customers[customer.customer_id] = (look.second - customer.age_seconds, customer)
        for subscription in look.subscriptions:
            self.subscriptions[subscription.subscription_id] = (
                look.second - subscription.age_seconds,
                subscription,
            )
        self.customers = dict(_newest(self.customers))
        self.subscriptions = dict(_newest(self.subscriptions))

    def overview(self) -> Overview:
        """Add it up, as of the latest look."""
        if not self.looks:
            return Overview(None, None, Throughput(0, 0), (), (), ())
        latest = self.looks[-1]
        return Overview(
            queue_problem=latest.queue_problem,
            tables_problem=latest.tables_problem,
            mail=latest.mail,
            tables=latest.tables,
            throughput=Throughput(
                received=self._received_per_second(), settled=self._settled_per_second(latest.second)
            ),
            buckets=self._buckets(latest.second),
            customers=[_customer_line(latest.second - at, new) for at, new in self.customers.values()],
            subscriptions=[
                SubscriptionLine(
                    new.subscription_id, new.status, max(latest.second - at, 0), unsure=new.unsure
                )
                for at, new in self.subscriptions.values()
            ],
        )

    def _buckets(self, until: int) -> list[SecondBucket]:
        """One bucket for each whole second; the one under way is left out, or it would always look slow."""
        waiting = {look.second: look.mail.waiting for look in self.looks if look.mail}
        seconds = range(until - SECONDS_SHOWN, until)
        return [SecondBucket(self.settled.get(second, {}), waiting.get(second)) for second in seconds]

    def _settled_per_second(self, until: int) -> float:
        seconds = range(until - PACE_SECONDS, until)
        return sum(sum(self.settled.get(second, {}).values()) for second in seconds) / PACE_SECONDS

    def _received_per_second(self) -> float:
        told = [(look.second, look.mail.received_total) for look in self.looks if look.mail][
            -PACE_SECONDS - 1 :
        ]
        if not told or told[-1][0] == told[0][0]:
            return 0
        return max(told[-1][1] - told[0][1], 0) / (told[-1][0] - told[0][0])


def _customer_line(age_seconds: float, new: NewCustomer) -> CustomerLine:
    return CustomerLine(new.customer_id, new.email, new.name, new.deleted, max(age_seconds, 0))


def _newest(lines: Mapping[str, tuple[float, T]]) -> list[tuple[str, tuple[float, T]]]:
    return sorted(lines.items(), key=lambda line: -line[1][0])[:LINES_SHOWN]
