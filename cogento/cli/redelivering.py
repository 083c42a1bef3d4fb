"""Putting many letters back: in batches that each are whole, at a rate, until done or asked to stop.

A batch is taken and put as one: what is interrupted between batches is nothing but fewer letters put back.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cogento.store.letter_records import LetterStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from cogento.cli.stopping import StopSignal
    from cogento.console.dead_letters import DeadLetterService
    from cogento.queue.redelivery import Redelivery
    from cogento.store.letter_records import LetterFate, LetterMatch

BATCH_LETTERS = 200
BATCH_BYTES = 4 * 1024**2
LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 30.0
"""How long none of the letters waited for may come to an end before nobody waits any more."""


def batches(
    matches: Sequence[LetterMatch], *, letters: int = BATCH_LETTERS, body_bytes: int = BATCH_BYTES
) -> Iterator[list[int]]:
    """Divide letters, in their order, so that no batch is large in number or in bytes."""
    batch: list[int] = []
    left = body_bytes
    for match in matches:
        if batch and (len(batch) >= letters or match.body_bytes > left):
            yield batch
            batch, left = [], body_bytes
        batch.append(match.id)
        left -= match.body_bytes
    if batch:
        yield batch


def retry_in_batches(
    dead_letters: DeadLetterService,
    matches: Sequence[LetterMatch],
    *,
    who: str,
    why: str | None,
    stopping: StopSignal,
    per_second: int | None = None,
) -> Iterator[dict[int, Redelivery]]:
    """Put letters back batch by batch, at most so many a second, and give each batch's results."""
    size = min(max(per_second // 10, 1), BATCH_LETTERS) if per_second else BATCH_LETTERS
    for batch in batches(matches, letters=size):
        if stopping.is_asked:
            return
        begun = time.monotonic()
        yield dead_letters.retry(batch, who=who, why=why)
        if per_second:
            stopping.pause(begun + len(batch) / per_second - time.monotonic())


def poll_outcomes(
    dead_letters: DeadLetterService, letter_ids: Collection[int], *, stopping: StopSignal
) -> Iterator[list[LetterFate]]:
    """Look again and again what has become of letters, until none is on its way.

    Ends too when asked to stop, and when none has come to an end for PATIENCE_SECONDS: a subscription that is
    parked may be on its way for days.
    """
    ended, moved = -1, time.monotonic()
    while True:
        fates = dead_letters.fates(letter_ids)
        yield fates
        now_ended = sum(fate.status is not LetterStatus.RETRYING for fate in fates)
        if now_ended > ended:
            ended, moved = now_ended, time.monotonic()
        if ended == len(fates) or stopping.is_asked or time.monotonic() - moved > PATIENCE_SECONDS:
            return
        stopping.pause(LOOK_SECONDS)
