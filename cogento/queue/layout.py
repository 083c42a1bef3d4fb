"""Which shards there are, and where a customer's mailbox is while their number changes.

The layout in force is written down in Redis; MAILBOX_SHARDS is only the number that a deployment wants. While it changes there
are two sets of shards, and each customer has a former home and a current one. One rule says which of them has the mailbox:
*the former one, as long as anything of the customer is there*. So everybody asks the former home first, and the current one
where the former has nothing of the customer. Once a former home has nothing of a customer, nothing ever comes back to it.

Moving one mailbox is four steps, each a script on one shard, and each may be repeated by anybody after a crash anywhere
(shard_move.py):

| step | script | where | afterwards |
| --- | --- | --- | --- |
| 1 | leave | former | nobody works on it, and new events still come here |
| 2 | arrive | current | a copy is there, durable as promised, and nobody works on it either |
| 3 | left | former | nothing is here, unless events came since step 1: then again from step 1 |
| 4 | arrived | current | it is in line, asleep or paused, as it was |

Each layout has a generation, and each shard remembers the newest one that a command to it named. It refuses a command with an
older one, and returns the newer layout: a process that has not heard of a change learns of it before it can do anything wrong.
Whoever moves mailboxes begins a new generation, so that no command sent by an earlier mover is still carried out afterwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

from cogento.accounts import DEFAULT_ACCOUNT
from cogento.queue import keys
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.redis_commands import Call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cogento.events.names import CustomerId
    from cogento.queue.clock import RedisClock
    from cogento.queue.redis_client import RedisClient
    from cogento.queue.redis_commands import Reply

KEYS_AT_ONCE = 1000
MAX_CHANGES = 5
"""How often a command is repeated with a newer layout from its answer, before it gives up."""

HOME, FORMER = "home", "former"
"""Which home of the customer its shard is, as an argument of a script: a FORMER one takes in no customer that has nothing there."""

_TEXT = re.compile(r"(\d+) (\d+n?) (\d+n?) (-|\d+n?(?:,\d+n?)*)")
_TAG = r"\{%s:(?P<number>\d+)(?:of(?P<count>\d+)\.\d+)?\}"


@dataclass(frozen=True, slots=True)
class ShardSet:
    """The `count` shards of an account; `is_numbered` where they are named as in release 0.1."""

    count: int
    is_numbered: bool = False
    account: str = DEFAULT_ACCOUNT

    @classmethod
    def parse(cls, text: str, account: str = DEFAULT_ACCOUNT) -> Self:
        """Read what `str` wrote of an account's shards."""
        return cls(int(text.removesuffix("n")), text.endswith("n"), account)

    def __str__(self) -> str:
        return f"{self.count}n" if self.is_numbered else f"{self.count}"

    @property
    def tags(self) -> tuple[str, ...]:
        """Each shard's hash tag; the first one's is always the same."""
        named = keys.numbered_tags if self.is_numbered else keys.tags
        return named(self.count, self.account)

    def tag_of(self, customer_id: CustomerId) -> str:
        """Return the tag of a customer's shard."""
        return self.tags[keys.shard_of(customer_id, shards=self.count)]


@dataclass(frozen=True)
class Layout:
    """The shards that there are, those that there were before while mailboxes are moved, and `past`: those before these.

    `past` ones keep nothing but their counters, which are still added up.
    """

    generation: int
    former: ShardSet
    current: ShardSet
    past: tuple[ShardSet, ...] = ()

    @classmethod
    def parse(cls, text: bytes, account: str = DEFAULT_ACCOUNT) -> Self | None:
        """Read what `text` gave for an account's shards; None where it is not a layout."""
        match = _TEXT.fullmatch(text.decode(errors="replace"))
        if match is None:
            return None
        generation, former, current, past = match.groups()
        before = () if past == "-" else tuple(ShardSet.parse(one, account) for one in past.split(","))
        return cls(int(generation), ShardSet.parse(former, account), ShardSet.parse(current, account), before)

    @cached_property
    def text(self) -> str:
        """The layout as it is written down in Redis."""
        return f"{self.generation} {self.former} {self.current} {','.join(map(str, self.past)) if self.past else '-'}"

    @property
    def is_written(self) -> bool:
        """Whether it is written down in Redis, so that every process goes by it."""
        return self.generation > 0

    @property
    def is_changing(self) -> bool:
        """Whether mailboxes are being moved."""
        return self.former != self.current

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """All shards that may have mailboxes. Former ones come first: reading them in this order misses nothing that moves."""
        return tuple(dict.fromkeys((*self.former.tags, *self.current.tags)))

    @cached_property
    def counted_tags(self) -> tuple[str, ...]:
        """All shards that have counters."""
        return tuple(dict.fromkeys((*self.tags, *(tag for shards in self.past for tag in shards.tags))))

    def homes(self, customer_id: CustomerId) -> tuple[str, ...]:
        """Return the shards where a customer's mailbox may be, in the order in which to ask them."""
        current = self.current.tag_of(customer_id)
        if not self.is_changing:
            return (current,)
        former = self.former.tag_of(customer_id)
        return (current,) if former == current else (former, current)

    def takes_in(self, tag: str, customer_id: CustomerId) -> str:
        """Return HOME where the shard is the customer's current one, else FORMER."""
        return HOME if tag == self.current.tag_of(customer_id) else FORMER

    def begun_again(self) -> Layout:
        """Return the next generation of the same change."""
        return replace(self, generation=self.generation + 1)

    def changed_to(self, count: int) -> Layout:
        """Return the layout with which a change to `count` shards begins."""
        return Layout(
            self.generation + 1, self.current, ShardSet(count, account=self.current.account), self.past
        )

    def settled(self) -> Layout:
        """Return the layout once all mailboxes have moved."""
        past = tuple(dict.fromkeys((*self.past, self.former)))
        current = self.current
        return Layout(self.generation + 1, current, current, tuple(one for one in past if one != current))


class Layouts:
    """The layout of an account's shards as this process knows it; everything asynchronous raises MailboxUnavailable.

    `known` is None before it was first asked for.
    """

    def __init__(
        self, client: RedisClient, clock: RedisClock, *, wanted_count: int, account: str = DEFAULT_ACCOUNT
    ) -> None:
        self.known: Layout | None = None
        self.first_tag = keys.first_tag(account)
        self._account = account
        self._client = client
        self._clock = clock
        self._wanted_count = wanted_count

    async def get(self) -> Layout:
        """Return the layout that is known; where it is out of date, shards refuse it and return the newer one."""
        return self.known or await self.refresh()

    async def refresh(self) -> Layout:
        """Ask the first shard, which always has the newest layout, unless it lost it; where there is none yet, write one down.

        Where a layout does not fit into Redis's memory, `is_written` is false: enough to process what waits.
        """
        text = await self._client.ask("GET", keys.layout_key(self.first_tag))
        if text is not None and Layout.parse(text, self._account) is not None:
            return self.learn(text)
        layout = self.known or await self._find()
        terms = (await self._clock.now_ms(), text or "", layout.text)
        (text,) = await self._client.run(Call("relayout", self.first_tag, terms))
        return replace(layout, generation=0) if text is None else self.learn(text)

    async def for_writing(self) -> Layout:
        """Return the layout that is known; raises MailboxUnavailable where none is written down."""
        layout = await self.get()
        if not layout.is_written:
            raise MailboxUnavailable("Redis: the layout of the shards does not fit into memory")
        return layout

    def learn_from(self, reply: Reply) -> bool:
        """Tell whether a script refused because its shard knows a newer layout; that one is known from now on."""
        if not isinstance(reply, list) or not reply or reply[0] != b"LAYOUT":
            return False
        self.learn(reply[1])
        return True

    def learn(self, text: bytes) -> Layout:
        """Note a layout as it is written down, unless a newer one is known; return the one that is known then."""
        layout = Layout.parse(text, self._account)
        if layout is None:
            raise MailboxUnavailable(
                f"Redis: {keys.layout_key(self.first_tag)} holds {text[:80]!r}, which is no layout"
            )
        if self.known is None or layout.generation > self.known.generation:
            self.known = layout
        return self.known

    async def _find(self) -> Layout:
        """Find the layout that was in force where the first shard has none: that of an earlier release, or one that Redis lost."""
        owner = keys.owner(self._account)
        tag_pattern = re.compile(_TAG % re.escape(owner))
        tags: set[str] = set()
        for server in await self._client.servers():
            cursor = 0
            while True:
                cursor, found = await server.ask(
                    "SCAN", cursor, "MATCH", f"{{{owner}:*}}:[sl]*", "COUNT", KEYS_AT_ONCE
                )
                tags.update(key.decode(errors="replace").rpartition(":")[0] for key in found)
                if not int(cursor):
                    break
        texts = [
            await self._client.ask("GET", keys.layout_key(tag))
            for tag in sorted(tags)
            if tag_pattern.fullmatch(tag)
        ]
        layouts = [
            layout
            for text in texts
            if text is not None and (layout := Layout.parse(text, self._account)) is not None
        ]
        if layouts:
            return max(layouts, key=lambda layout: layout.generation)
        called = _shards_called(filter(None, map(tag_pattern.fullmatch, tags)), self._account)
        shards = called or ShardSet(self._wanted_count, account=self._account)
        return Layout(1, shards, shards)


def _shards_called(matches: Iterable[re.Match[str]], account: str) -> ShardSet | None:
    """Return the shards that these names belong to; None where there are none."""
    names = list(matches)
    counts = _numbers(match["count"] for match in names)
    numbers = _numbers(match["number"] for match in names if match["count"] is None)
    if counts:
        return ShardSet(max(counts), account=account)
    if not numbers:
        return None
    if max(numbers):
        return ShardSet(max(numbers) + 1, is_numbered=True, account=account)
    return ShardSet(1, account=account)


def _numbers(texts: Iterable[str | None]) -> list[int]:
    return [int(text) for text in texts if text is not None]
