"""What receivers let in and keep out, for people: a setting that keeps everything out must not go unnoticed.

Receivers note it now and then; no event depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.events.fence import Fence, Fenced
from cogento.events.names import EventId
from cogento.queue import keys
from cogento.queue.redis_commands import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.queue.clock import RedisClock
    from cogento.queue.redis_client import RedisClient

BAD_SIGNATURES = "bad_signatures"

QUIET_MS = 3600_000
"""For so long after an event was let in, "everything is kept out" is not reported: our events may be rarer than those kept out."""


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Events that a fence kept out while it let none in, counted by reason; `unnamed` is the id of one that named no account."""

    fence: Fence
    counts: Mapping[Fenced, int]
    unnamed: EventId | None


@dataclass(frozen=True, slots=True)
class FenceState:
    """What receivers keep out while they let nothing in; both fields are empty while they let events in, or receive none.

    `bad_signatures` are webhooks that no secret of ours signed; 0 once one did, whether its event was ours or not.
    """

    kept_out: KeptOut | None = None
    bad_signatures: int = 0


class FenceNotes:
    """The receivers' notes; everything raises MailboxUnavailable."""

    def __init__(self, server: RedisClient, clock: RedisClock, tag: str) -> None:
        self._server = server
        self._clock = clock
        self._tag = tag

    async def note(
        self,
        fence: Fence,
        *,
        let_in: int,
        kept_out: Mapping[Fenced, int],
        unnamed: EventId | None = None,
        bad_signatures: int = 0,
    ) -> None:
        """Note what a receiver with this fence did since its last note."""
        counts: list[str | int] = [term for reason, count in kept_out.items() for term in (reason, count)]
        if bad_signatures:
            counts += [BAD_SIGNATURES, bad_signatures]
        expects = f"{int(fence.livemode)} {fence.account or ''}"
        terms = (await self._clock.now_ms(), expects, let_in, unnamed or "", *counts)
        await self._server.run(Call("fence", self._tag, terms))

    async def everything_kept_out(self) -> KeptOut | None:
        """Return what was kept out since receivers let nothing in; None while they let events in, or get none."""
        return (await self.read()).kept_out

    async def read(self) -> FenceState:
        """Return what receivers keep out while they let nothing in."""
        fields = await self._server.ask("HGETALL", keys.fence_key(self._tag))
        noted = {name.decode(): value.decode() for name, value in fields.items()}
        counts = {reason: int(noted[reason]) for reason in Fenced if reason in noted}
        let_in_ms = int(noted.get("let_in_ms", -QUIET_MS))
        bad_signatures = int(noted.get(BAD_SIGNATURES, 0))
        if not (counts or bad_signatures) or await self._clock.now_ms() - let_in_ms < QUIET_MS:
            return FenceState()
        if not counts:
            return FenceState(bad_signatures=bad_signatures)
        livemode, _, account = noted["expects"].partition(" ")
        unnamed = EventId(noted["unnamed"]) if "unnamed" in noted else None
        return FenceState(KeptOut(Fence(livemode == "1", account or None), counts, unnamed))
