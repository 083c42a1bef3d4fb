"""The map of every Redis key, and which shard a customer belongs to.

Every key of ours begins with `{cogento:` or `cogento:`; all others on the server are somebody else's.

All keys of a shard start with its hash tag, so that a shard lies in one slot of a cluster and one script may touch all of them.
The Lua files build the same names from the tag (lua/shard.lua). No key's name is a tag alone, and none may be: redis_cluster.py
relies on it while a slot moves.

Each Stripe account of a deployment has shards of its own, whose tags carry its name: `{cogento:eu:0}`. Those of the account
`default` carry none. So no script of one account can name a key of another.

| key                | type   | holds                                                                       |
| ------------------ | ------ | --------------------------------------------------------------------------- |
| `:event:<event>`   | string | one waiting or parked event as codec.py writes it                           |
| `:mail:<customer>` | zset   | its waiting event ids by created * 2^21 + n: Stripe's second, then arrival  |
| `:held:<customer>` | zset   | its parked event ids, same scores                                           |
| `:ready`           | zset   | customers that can be claimed, by the ms since when                         |
| `:leases`          | zset   | claimed customers by the ms at which the lease ends                         |
| `:owners`          | hash   | claimed customer -> lease token: "worker/random"                            |
| `:sleeping`        | zset   | customers whose events must wait, by the ms at which they wake              |
| `:paused`          | zset   | paused customers with waiting events, by the ms since when                  |
| `:parked`          | zset   | customers with parked events, by the ms when these are next tried           |
| `:since`           | zset   | customers with waiting events by the received_ms of the first one           |
| `:pauses`          | hash   | customer -> ms since when an operator wants it paused, who and why (pauses.py); with or without events |
| `:halted`          | string | the same for everything: since when, who and why                            |
| `:crashes`         | hash   | customer -> leases that expired in a row                                    |
| `:tries`           | hash   | event -> "attempts first_attempt_ms class:code", for those that failed      |
| `:bell`            | hash   | `until`: ms until when no wake-up is needed; `rings`: unanswered ones       |
| `:stats`           | hash   | gauges `waiting`, `parked`, `bytes`; counters of everything that happened   |
| `:circuit:<name>`  | hash   | a dependency in trouble: see lua/circuit_ask.lua; gone once all is well     |
| `:workers`         | hash   | slot -> "beat_ms worker started_ms took_ms version"; the first shard's only |
| `:delays`          | hash   | what workers count, first of all how long events waited; the first shard's only |
| `:fence`           | hash   | how many events receivers accept and ignore: see lua/fence.lua; the first shard's only |
| `:pace`            | hash   | `free`: ms when Stripe may next be asked; what it said of that (pace.lua)   |
| `:probe`           | string | the write probe of /readyz, gone after 10 s                                 |
| `:lost`            | hash   | event -> customer, for ids whose event was gone; until they are logged      |
| `:inspected`       | string | while it exists nobody inspects all mailboxes; the first shard's only       |
| `:tables`          | string | "read_ms samples": Postgres's metrics; gone after 1 h; the first shard's only |
| `:reading`         | string | while it exists no other worker reads those; the first shard's only         |
| `:minutes`         | hash   | minute of the day -> totals when it began, as minutes.py writes them; the first shard's only |
| `:alerts`          | hash   | name of an alert that was sent -> second when; the first shard's only       |
| `:layout`          | string | which shards there are, as far as this one knows (layout.py)                |
| `:moving`          | string | token of the process that moves mailboxes; while it exists no other does; the first shard's only |
| `:moved`           | hash   | `customers`, `events` that a change of shards has moved so far; the first shard's only |
| `:aside:<name>`    | any    | what stood under a name of ours and was of another type; gone after 30 days |

Under `cogento:` is what Celery's transport keeps: `wakeups`, the list of wake-ups (wakeup.py), `_kombu.binding…`, that there
is such a queue, and `unacked…`, what workers took and did not acknowledge.

What concerns all shards at once is kept with the first one, or, as pauses of everything are, with each: so no script needs
another shard. Where shards lie on several masters, and the first one's is away, workers are not seen, Stripe is not asked and
nothing is inspected until it is back; events on the other masters are accepted and processed meanwhile.

A customer with waiting events is in exactly one of ready, leases (with an owner), sleeping, paused.
"""

from __future__ import annotations

import itertools
import zlib
from functools import cache
from typing import TYPE_CHECKING

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from cogento.accounts import DEFAULT_ACCOUNT

if TYPE_CHECKING:
    from cogento.events.names import CustomerId, EventId

CELERY_PREFIX = "cogento:"
WAKEUP_QUEUE = "wakeups"


FIRST_TAG = "{cogento:0}"
"""The first tag of the account `default`."""


def owner(account: str) -> str:
    """Return how the tags of an account's shards begin, behind the brace."""
    return "cogento" if account == DEFAULT_ACCOUNT else f"cogento:{account}"


def first_tag(account: str) -> str:
    """Return the tag of an account's first shard, the same however many it has."""
    return f"{{{owner(account)}:0}}"


@cache
def tags(shards: int, account: str = DEFAULT_ACCOUNT) -> tuple[str, ...]:
    """Return the hash tag of each of an account's shards: the slots are divided into equal parts, with one shard in each.

    So masters with equally many slots have equally many shards. The first shard's tag is the same whatever their number.
    """
    first = first_tag(account)
    width = REDIS_CLUSTER_HASH_SLOTS / shards
    first_part = int(key_slot(first.encode()) / width)
    return (
        first,
        *(
            _tag_in(owner(account), number, shards, (first_part + number) % shards)
            for number in range(1, shards)
        ),
    )


def _tag_in(begins: str, number: int, shards: int, part: int) -> str:
    """Return the first tag whose slot is in the middle of a part, away from the borders between masters."""
    width = REDIS_CLUSTER_HASH_SLOTS / shards
    names = (f"{{{begins}:{number}of{shards}.{attempt}}}" for attempt in itertools.count())
    return next(name for name in names if abs(key_slot(name.encode()) - (part + 0.5) * width) <= width / 8)


@cache
def numbered_tags(shards: int, account: str = DEFAULT_ACCOUNT) -> tuple[str, ...]:
    """Return the tags that release 0.1 gave to `shards` shards: one server has all of them, wherever their slots lie."""
    return tuple(f"{{{owner(account)}:{number}}}" for number in range(shards))


def shard_of(customer_id: CustomerId, *, shards: int) -> int:
    """Return the customer's shard: the same in every process and every version."""
    return zlib.crc32(customer_id.encode()) % shards


def wakeups_key() -> str:
    """Return the key of the wake-ups that wait for a worker."""
    return CELERY_PREFIX + WAKEUP_QUEUE


def event_key(tag: str, event_id: EventId) -> str:
    """Return the key of one stored event."""
    return f"{tag}:event:{event_id}"


def stats_key(tag: str) -> str:
    """Return the key of gauges and counters."""
    return f"{tag}:stats"


def probe_key(tag: str) -> str:
    """Return the key that the write probe sets."""
    return f"{tag}:probe"


def lost_key(tag: str) -> str:
    """Return the key of the ids whose events were gone."""
    return f"{tag}:lost"


def inspected_key(tag: str) -> str:
    """Return the key that says that the mailboxes were inspected lately."""
    return f"{tag}:inspected"


def tables_key(tag: str) -> str:
    """Return the key of the metrics that a worker read from Postgres."""
    return f"{tag}:tables"


def reading_key(tag: str) -> str:
    """Return the key that says that a worker has read them lately."""
    return f"{tag}:reading"


def pace_key(tag: str) -> str:
    """Return the key of the rate limit for requests to Stripe."""
    return f"{tag}:pace"


def minutes_key(tag: str) -> str:
    """Return the key of the totals of the last day's minutes."""
    return f"{tag}:minutes"


def alerts_key(tag: str) -> str:
    """Return the key of the alerts that were sent and not withdrawn."""
    return f"{tag}:alerts"


def circuit_key(tag: str, dependency: str) -> str:
    """Return the key of a dependency's circuit."""
    return f"{tag}:circuit:{dependency}"


def workers_key(tag: str) -> str:
    """Return the key of the workers' heartbeats."""
    return f"{tag}:workers"


def delays_key(tag: str) -> str:
    """Return the key of the counters of delays."""
    return f"{tag}:delays"


def fence_key(tag: str) -> str:
    """Return the key of what receivers let in and keep out."""
    return f"{tag}:fence"


def layout_key(tag: str) -> str:
    """Return the key of the layout, as far as this shard knows it."""
    return f"{tag}:layout"


def moving_key(tag: str) -> str:
    """Return the key that says that somebody moves mailboxes."""
    return f"{tag}:moving"


def moved_key(tag: str) -> str:
    """Return the key of how far a change of shards has come."""
    return f"{tag}:moved"


def leases_key(tag: str) -> str:
    """Return the key of the customers that are leased."""
    return f"{tag}:leases"


def owners_key(tag: str) -> str:
    """Return the key of the workers that have leased them."""
    return f"{tag}:owners"


def parked_key(tag: str) -> str:
    """Return the key of the customers with parked events."""
    return f"{tag}:parked"


def halted_key(tag: str) -> str:
    """Return the key that pauses everything."""
    return f"{tag}:halted"


def pauses_key(tag: str) -> str:
    """Return the key of the pauses of single customers."""
    return f"{tag}:pauses"
