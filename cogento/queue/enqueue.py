"""Putting envelopes into their customers' mailboxes: one script a shard, durable as promised."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from cogento.events.envelope import ANY_TIME, parse_envelope
from cogento.events.errors import RejectedError
from cogento.events.outcomes import Source
from cogento.queue import codec, replies
from cogento.queue.claims import Put, PutResult
from cogento.queue.errors import JunkFound, MailboxUnavailable
from cogento.queue.layout import FORMER, HOME, MAX_CHANGES
from cogento.queue.redis_commands import Call
from cogento.retries import MAX_WAKEUP_WINDOW_MS, WAKEUP_WINDOW_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cogento.events.envelope import Envelope
    from cogento.queue.claims import Limits
    from cogento.queue.durable_scripts import DurableScripts
    from cogento.queue.layout import Layout, Layouts
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Argument, Reply


class EnqueueCommands:
    """Puts into one account's mailboxes, of all shards behind one client."""

    def __init__(
        self, client: RedisClient, layouts: Layouts, scripts: DurableScripts, *, limits: Limits
    ) -> None:
        self.scripts = scripts
        self.limits = limits
        self.client = client
        self._layouts = layouts

    async def put(self, envelopes: Sequence[Envelope], *, source: Source, now_ms: int) -> list[Put]:
        """Put these; an id that waits already stays as it is. At most one result asks for a wake-up.

        While shards change, whose mail is not in its former shard any more is put into its current one in a second go.
        """
        (puts,) = await put_each([(self, envelopes)], source=source, now_ms=now_ms)
        return puts

    async def prepare(self, state: _Putting, now_ms: int) -> _Prepared:
        """Make the calls that put what is left where its customers' mailboxes are, by the layout that is known."""
        layout = await self._layouts.get()
        if not layout.is_written:
            state.left = []  # nothing fits
        groups = state.by_home(layout)
        calls = [
            self._call(tag, takes_in, layout, now_ms, [(state.envelopes[i], state.values[i]) for i in places])
            for (tag, takes_in), places in groups.items()
        ]
        return _Prepared(layout, groups, calls)

    def note(self, state: _Putting, prepared: _Prepared, answers: Iterable[Reply], now_ms: int) -> list[Call]:
        """Note what became of these; return what puts stored events that may be in no mailbox into their own."""
        orphaned: list[Call] = []
        for (home, places), reply in zip(prepared.groups.items(), answers, strict=True):
            if self._layouts.learn_from(reply):
                state.put_again(places)
                continue
            for stored in state.note(places, reply):
                orphaned += self._restoring(*home, prepared.layout, now_ms, stored)
        return orphaned

    async def run(self, calls: Sequence[Call]) -> list[Reply]:
        """Put once more where junk was in the way: Stripe would come back with these an hour later."""
        try:
            return await self.scripts.run(self.client, calls)
        except JunkFound:
            return await self.scripts.run(self.client, calls)

    def _call(
        self, tag: str, takes: str, layout: Layout, now_ms: int, envelopes: Iterable[tuple[Envelope, bytes]]
    ) -> Call:
        limits = self.limits
        caps = (limits.customer_events, limits.total_events, limits.total_bytes)
        terms: list[Argument] = [now_ms, layout.text, takes, *caps, WAKEUP_WINDOW_MS, MAX_WAKEUP_WINDOW_MS]
        for envelope, value in envelopes:
            terms += (envelope.event_id, envelope.customer_id, envelope.created, value)
        return Call("put", tag, terms)

    def _restoring(self, tag: str, takes: str, layout: Layout, now_ms: int, stored: bytes) -> Iterator[Call]:
        terms = restoring_terms(stored)
        if terms:
            yield Call("restore", tag, (now_ms, layout.text, takes, *terms))


class _Prepared(NamedTuple):
    """Calls that put some of a put's envelopes, and which of these each has: those of one shard."""

    layout: Layout
    groups: Mapping[tuple[str, str], Sequence[int]]
    calls: Sequence[Call]


class _Putting:
    """What has become of the envelopes of one put, and which of them are left."""

    def __init__(self, envelopes: Sequence[Envelope], values: Sequence[bytes]) -> None:
        self.envelopes = envelopes
        self.values = values
        self.left: list[int] = list(range(len(values)))
        self._gone: set[int] = set()  # of whose customers nothing is in their former shards
        self._results = [PutResult.FULL] * len(values)
        self._needs_wakeup = False

    def by_home(self, layout: Layout) -> dict[tuple[str, str], list[int]]:
        """Return which are left to be put into each shard, and as what it takes them in; then none is left."""
        groups: dict[tuple[str, str], list[int]] = {}
        for i in self.left:
            homes = layout.homes(self.envelopes[i].customer_id)
            home = (homes[-1], HOME) if i in self._gone or len(homes) == 1 else (homes[0], FORMER)
            groups.setdefault(home, []).append(i)
        self.left = []
        return groups

    def put_again(self, places: Sequence[int]) -> None:
        """Note that a shard knows a newer layout."""
        self.left += places
        self._gone.difference_update(places)

    def note(self, places: Sequence[int], reply: Reply) -> list[bytes]:
        """Note what put.lua says of these; return what is stored and may be in no mailbox."""
        wakeup, *codes = reply
        self._needs_wakeup = self._needs_wakeup or wakeup == 1
        orphaned: list[bytes] = []
        for i, code in zip(places, codes, strict=True):
            if code == replies.ELSEWHERE:
                self.left.append(i)
                self._gone.add(i)
                continue
            stored = code[0] if isinstance(code, list) else code
            self._results[i] = replies.read_put(stored, self.values[i])
            if isinstance(code, list):
                orphaned.append(stored)
        return orphaned

    def puts(self) -> list[Put]:
        """Return the results; one of them asks for a wake-up where a shard did."""
        wakeup_at = self._results.index(PutResult.QUEUED) if self._needs_wakeup else None
        return [Put(result, needs_wakeup=i == wakeup_at) for i, result in enumerate(self._results)]


async def put_each(
    parts: Sequence[tuple[EnqueueCommands, Sequence[Envelope]]], *, source: Source, now_ms: int
) -> list[list[Put]]:
    """Put several accounts' envelopes in calls of the client that they share; the answers are in this order."""
    states = [_Putting(envelopes, _encoded(envelopes, source, now_ms)) for _, envelopes in parts]
    first = parts[0][0]
    for _ in range(2 * MAX_CHANGES + 1):
        going = [(one, state) for (one, _), state in zip(parts, states, strict=True) if state.left]
        if not going:
            return [state.puts() for state in states]
        prepared = [await one.prepare(state, now_ms) for one, state in going]
        calls = [call for each in prepared for call in each.calls]
        answers = iter(await first.run(calls) if calls else ())
        orphaned: list[Call] = []
        for (one, state), each in zip(going, prepared, strict=True):
            orphaned += one.note(state, each, islice(answers, len(each.calls)), now_ms)
        if orphaned:
            # Stored events that came again, with other bytes, and may be in no mailbox: put into their own.
            await first.scripts.run(first.client, orphaned)
    raise MailboxUnavailable("Redis: the shards change too often")


def _encoded(envelopes: Sequence[Envelope], source: Source, now_ms: int) -> list[bytes]:
    return [
        codec.encode(envelope.body, received_ms=now_ms, source=source, trace=envelope.trace)
        for envelope in envelopes
    ]


def restoring_terms(stored: bytes) -> tuple[Argument, ...] | None:
    """Return what restore.lua takes of a stored event, read from its own body; None where that cannot be read."""
    known = codec.decode(stored, now_ms=0)
    if known is None or codec.decode_header(stored) is None:
        return None
    try:
        envelope = parse_envelope(known.body, now=ANY_TIME)
    except RejectedError:
        return None
    return (envelope.event_id, envelope.customer_id, envelope.created, stored[: codec.HEADER_BYTES])
