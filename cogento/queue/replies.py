"""What the scripts' replies mean: return codes by name, lists as values. The counterpart of the Lua files' headers."""

from __future__ import annotations

from enum import IntEnum
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from cogento.events.names import CustomerId, EventId
from cogento.queue import codec
from cogento.queue.claims import CustomerBatch, PutResult, QueuedEvent
from cogento.queue.pauses import read_pause
from cogento.queue.status import Counters, Listed, MailboxState, MailboxStatus, MailboxView, Removed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cogento.queue.claims import FailedAttempt
    from cogento.queue.redis_commands import Reply

SECOND = 2**21
"""Places within one second of `created`: score = created * 2^21 + n, exact in a double (put.lua)."""


PUT_RESULTS = {1: PutResult.QUEUED, 2: PutResult.DUPLICATE, 3: PutResult.FULL}
"""Codes of put.lua, one per envelope; in place of a code the stored value, where its content differs."""

ELSEWHERE = 4
"""Code of put.lua: nothing of the customer is in this shard, a former one, which takes in no new customers."""

NOT_HELD_HERE = -1
"""Code of pause.lua and resume.lua: nothing of the customer is in this shard."""

REMOVED = {0: Removed.ABSENT, 1: Removed.REMOVED, 2: Removed.LEASED}
"""Codes of remove.lua."""


class SettleCode(IntEnum):
    """Codes of settle.lua, one per customer."""

    LOST = 0
    SETTLED = 1


class AttemptRecord(NamedTuple):
    """What is known of an event's earlier attempts."""

    attempts: int
    first_attempt_ms: int | None
    error_class: str | None
    error_code: str | None


NO_ATTEMPTS = AttemptRecord(0, None, None, None)


def read_put(code: int | bytes, value: bytes) -> PutResult:
    """Return the result for one envelope whose value was `value`."""
    if isinstance(code, bytes):
        same = codec.same_content(code, value)
        return PutResult.DUPLICATE if same else PutResult.DUPLICATE_DIFFERS
    return PUT_RESULTS[code]


def read_batch(reply: Reply, *, tag: str, now_ms: int) -> CustomerBatch:
    """Return one customer's batch of claim.lua, out of this shard."""
    customer_id, crashes, values = reply
    events: list[QueuedEvent] = []
    unknown: list[EventId] = []
    for id_, value, tries in zip(values[::3], values[1::3], values[2::3], strict=True):
        event_id, stored = EventId(id_.decode()), codec.decode(value, now_ms=now_ms)
        if stored is None:
            unknown.append(event_id)
            continue
        attempts, first_ms, *_ = read_attempts(tries)
        known = (stored.received_ms, stored.source, attempts, first_ms, stored.trace)
        events.append(QueuedEvent(event_id, stored.body, *known))
    return CustomerBatch(CustomerId(customer_id.decode()), tuple(events), int(crashes), tuple(unknown), tag)


def format_attempts(failed: FailedAttempt) -> str:
    """Return the text that Redis keeps of an event that failed."""
    why = f"{failed.error_class}:{failed.code}" if failed.code else failed.error_class
    return f"{failed.attempts} {failed.first_attempt_ms or 0} {why}"


def read_attempts(text: bytes | None) -> AttemptRecord:
    """Return the attempts that `format_attempts` wrote; a text that is not ours counts as untried."""
    match (text or b"").decode(errors="replace").split():
        case [attempts, first_ms, why] if attempts.isdecimal() and first_ms.isdecimal():
            error_class, _, code = why.partition(":")
            return AttemptRecord(int(attempts), int(first_ms) or None, error_class, code or None)
        case _:
            return NO_ATTEMPTS


def read_status(replies: Iterable[Reply], oldest: Sequence[Reply], *, now_ms: int) -> MailboxStatus:
    """Return the sum over all shards of status.lua, and the oldest events of oldest.lua, which shards in use have answered.

    Shards in use come first. The others have counters, and perhaps a pause of everything that nobody ends there any more.
    """
    shards = [_named(reply) for reply in replies]
    customers = {
        state: sum(shard[state] for shard in shards) for state in (*MailboxState, "parked_customers")
    }
    stats = _summed_stats(shard["stats"] for shard in shards)
    return MailboxStatus(
        **customers,
        waiting=stats.get("waiting", 0),
        parked=stats.get("parked", 0),
        stored_bytes=stats.get("bytes", 0),
        everything_paused=any(shard["halted"] for shard in shards[: len(oldest)]),
        oldest_event_ms=min((received for _, received in read_oldest(oldest)), default=None),
        oldest_paused_ms=min((int(held) for held, *_ in oldest if held is not None), default=None),
        now_ms=now_ms,
        counters=_counters(stats),
    )


def read_oldest(replies: Iterable[Reply]) -> list[tuple[CustomerId, int]]:
    """Return the customers of oldest.lua over all shards that are not paused, the longest wait first."""
    waiting = [
        (CustomerId(id_.decode()), int(received))
        for shard in replies
        for id_, received in zip(shard[1::2], shard[2::2], strict=True)
    ]
    return sorted(waiting, key=itemgetter(1))


def read_view(customer_id: CustomerId, reply: Reply) -> MailboxView:
    """Return one customer's mailbox as view.lua shows it."""
    found = _named(reply)
    state = next((state for state in MailboxState if found[state] is not None), None)
    owner, parked_look = found["owner"], found["parked_look"]
    return MailboxView(
        customer_id=customer_id,
        state=state,
        state_ms=None if state is None else int(found[state]),
        owner=None if owner is None else owner.decode().rpartition("/")[0] or None,
        pause=read_pause(found["pause"]),
        crashes=int(found["crashes"] or 0),
        parked_look_ms=None if parked_look is None else int(parked_look),
        waiting_total=found["waiting_total"],
        parked_total=found["parked_total"],
        waiting=tuple(_listed(*entry) for entry in found["waiting"]),
        parked=tuple(_listed(*entry) for entry in found["parked"]),
    )


def _named(reply: Reply) -> dict[str, Reply]:
    """Read a reply that alternates names and values."""
    return {name.decode(): value for name, value in zip(reply[::2], reply[1::2], strict=True)}


def _listed(id_: bytes, place: bytes, tries: bytes | None, header: bytes) -> Listed:
    stored = codec.decode_header(header)
    attempts, first_ms, error_class, code = read_attempts(tries)
    return Listed(
        event_id=EventId(id_.decode()),
        created=int(place) // SECOND,
        received_ms=stored and stored.received_ms,
        source=stored and stored.source,
        attempts=attempts,
        first_attempt_ms=first_ms,
        error_class=error_class,
        error_code=code,
    )


def _summed_stats(shards: Iterable[Sequence[bytes]]) -> Mapping[str, int]:
    total: dict[str, int] = {}
    for stats in shards:
        for field, value in zip(stats[::2], stats[1::2], strict=True):
            total[field.decode()] = total.get(field.decode(), 0) + read_number(value)
    return total


def read_number(value: bytes | None) -> int:
    """Read a counter; one that is missing or not a number counts as 0."""
    try:
        return int(value or 0)
    except ValueError:
        return 0


def _counters(stats: Mapping[str, int]) -> Counters:
    return Counters(
        accepted=stats.get("accepted", 0),
        duplicates=stats.get("duplicates", 0),
        full=stats.get("full", 0),
        settled=stats.get("settled", 0),
        removed=stats.get("removed", 0),
        expired=stats.get("expired", 0),
        repaired=stats.get("repaired", 0),
        lost=stats.get("lost", 0),
    )
