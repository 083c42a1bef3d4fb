"""Putting envelopes into their customers' mailboxes: of all accounts and shards of one server together, durable as promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogento.events.envelope import ANY_TIME, parse_envelope
from cogento.events.errors import RejectedError
from cogento.queue import codec, replies
from cogento.queue.claims import Put, PutResult
from cogento.queue.errors import JunkFound, MailboxUnavailable, ShardFailed
from cogento.queue.layout import FORMER, HOME, MAX_CHANGES
from cogento.queue.redis_commands import Call
from cogento.retries import MAX_WAKEUP_WINDOW_MS, WAKEUP_WINDOW_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogento.events.envelope import Envelope
    from cogento.events.outcomes import Source
    from cogento.queue.claims import Limits
    from cogento.queue.durable_scripts import DurableScripts
    from cogento.queue.layout import Layout, Layouts
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Argument, Reply


class EnqueueCommands:
    """What a put into one account's mailboxes needs to know: all shards behind one client."""

    def __init__(
        self, client: RedisClient, layouts: Layouts, scripts: DurableScripts, *, limits: Limits
    ) -> None:
        self.scripts = scripts
        self.limits = limits
        self.client = client
        self.layouts = layouts

    def call(self, tag: str, takes: str, layout: Layout, now_ms: int) -> tuple[Call, list[Argument]]:
        """Return a call that puts into a shard, and the list to which the envelopes' arguments are added, four for each."""
        limits = self.limits
        caps = (limits.customer_events, limits.total_events, limits.total_bytes)
        terms: list[Argument] = [now_ms, layout.text, takes, *caps, WAKEUP_WINDOW_MS, MAX_WAKEUP_WINDOW_MS]
        return Call("put", tag, terms), terms

    async def run(self, calls: Sequence[Call]) -> list[Reply]:
        """Run the calls, once more where junk was in the way: Stripe would send these events again an hour later."""
        try:
            return await self.scripts.run(self.client, calls)
        except JunkFound:
            return await self.scripts.run(self.client, calls)


class _Group:
    """Which of a put's envelopes go to one shard, and the call that puts them there."""

    __slots__ = ("call", "commands", "layout", "places", "takes", "terms")

    def __init__(self, commands: EnqueueCommands, layout: Layout, tag: str, takes: str, now_ms: int) -> None:
        self.commands = commands
        self.layout = layout
        self.takes = takes
        self.places: list[int] = []
        self.call, self.terms = commands.call(tag, takes, layout, now_ms)

    def restoring(self, stored: bytes, now_ms: int) -> Iterator[Call]:
        """Return the call that puts a stored event that is in no mailbox into its customer's."""
        terms = restoring_terms(stored)
        if terms:
            yield Call("restore", self.call.tag, (now_ms, self.layout.text, self.takes, *terms))


class _Putting:
    """What has become of the envelopes of one put, and which of them are left."""

    def __init__(
        self, puts: Sequence[tuple[EnqueueCommands, Envelope]], values: Sequence[bytes], now_ms: int
    ) -> None:
        self._puts = puts
        self._values = values
        self._now_ms = now_ms
        self._gone: set[int] = set()  # positions whose customers have nothing in their former shards
        self._results: list[PutResult | MailboxUnavailable] = [PutResult.FULL] * len(values)
        self._needs_wakeup = False
        self.left: list[int] = list(range(len(values)))

    async def groups(self) -> list[_Group]:
        """Return calls that put every envelope left into its customer's shard, by the layouts that are known; `left` is empty then."""
        layouts: dict[EnqueueCommands, Layout] = {}
        for i in self.left:
            commands = self._puts[i][0]
            if commands not in layouts:
                layouts[commands] = commands.layouts.known or await commands.layouts.refresh()
        groups: dict[tuple[str, str], _Group] = {}
        for i in self.left:
            commands, envelope = self._puts[i]
            layout = layouts[commands]
            if not layout.is_written:
                continue  # memory is full: the result stays FULL
            homes = layout.homes(envelope.customer_id)
            home = (homes[-1], HOME) if len(homes) == 1 or i in self._gone else (homes[0], FORMER)
            group = groups.get(home)
            if group is None:
                group = groups[home] = _Group(commands, layout, *home, self._now_ms)
            group.places.append(i)
            group.terms += (envelope.event_id, envelope.customer_id, envelope.created, self._values[i])
        self.left = []
        return list(groups.values())

    def note(self, group: _Group, reply: Reply) -> Iterator[Call]:
        """Note put.lua's reply for a group; return calls that put stored events which may be in no mailbox into their customers'."""
        try:
            if isinstance(reply, ShardFailed):
                raise reply
            is_newer = group.commands.layouts.learn_from(reply)
        except MailboxUnavailable as failure:
            for i in group.places:
                self._results[i] = failure
            return
        if is_newer:
            self.left += group.places
            self._gone.difference_update(group.places)
            return
        wakeup, *codes = reply
        self._needs_wakeup |= wakeup == 1
        for i, code in zip(group.places, codes, strict=True):
            if code == replies.ELSEWHERE:
                self.left.append(i)
                self._gone.add(i)
                continue
            stored = code[0] if isinstance(code, list) else code
            self._results[i] = replies.read_put(stored, self._values[i])
            if isinstance(code, list):
                yield from group.restoring(stored, self._now_ms)

    def puts(self) -> list[Put | MailboxUnavailable]:
        """Return the results; one of them asks for a wake-up if any shard, of any account, asked for one."""
        wakeup_at = self._results.index(PutResult.QUEUED) if self._needs_wakeup else None
        return [
            result if isinstance(result, MailboxUnavailable) else Put(result, i == wakeup_at)
            for i, result in enumerate(self._results)
        ]


async def put_each(
    puts: Sequence[tuple[EnqueueCommands, Envelope]], *, source: Source, now_ms: int
) -> list[Put | MailboxUnavailable]:
    """Put envelopes of one account, or of several whose client is the same; an id that waits already stays as it is.

    The result is a MailboxUnavailable where one shard failed and others did not. At most one asks for a wake-up: a worker that
    wakes looks at all accounts. While shards change, an envelope whose customer has nothing in the former shard any more is put
    into the current one by a second call.
    """
    values = [
        codec.encode(envelope.body, received_ms=now_ms, source=source, trace=envelope.trace)
        for _, envelope in puts
    ]
    putting = _Putting(puts, values, now_ms)
    for _ in range(2 * MAX_CHANGES + 1):
        if not putting.left:
            return putting.puts()
        groups = await putting.groups()
        if not groups:
            continue
        commands = groups[0].commands
        results = await commands.run([group.call for group in groups])
        orphaned = [
            call for group, reply in zip(groups, results, strict=True) for call in putting.note(group, reply)
        ]
        if orphaned:
            # Stored events that came again with other bytes and may be in no mailbox are put into their customers'.
            await commands.scripts.run(commands.client, orphaned)
    raise MailboxUnavailable("Redis: the shards change too often")


def restoring_terms(stored: bytes) -> tuple[Argument, ...] | None:
    """Return the arguments of restore.lua for a stored event, read from its own body; None where that cannot be read."""
    known = codec.decode(stored, now_ms=0)
    if known is None or codec.decode_header(stored) is None:
        return None
    try:
        envelope = parse_envelope(known.body, now=ANY_TIME)
    except RejectedError:
        return None
    return (envelope.event_id, envelope.customer_id, envelope.created, stored[: codec.HEADER_BYTES])
