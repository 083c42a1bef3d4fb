from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from worker.periodic import PeriodicTask

PATIENCE = 5
NEVER_AGAIN = 3600


async def repeated(task: PeriodicTask, *, until: asyncio.Event) -> None:
    """Repeat a task until this happens, and no longer."""
    repeating = asyncio.create_task(task.repeat())
    async with asyncio.timeout(PATIENCE):
        await until.wait()
    repeating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await repeating


def test_a_task_runs_at_once_and_no_more_once_cancelled() -> None:
    async def scenario() -> None:
        done = asyncio.Event()

        async def run() -> None:
            done.set()

        await repeated(PeriodicTask("quick", NEVER_AGAIN, run), until=done)

    asyncio.run(scenario())


def test_a_task_that_fails_runs_again() -> None:
    async def scenario() -> int:
        third, tries = asyncio.Event(), 0

        async def fail() -> None:
            nonlocal tries
            tries += 1
            if tries == 3:
                third.set()
            raise ArithmeticError

        await repeated(PeriodicTask("failing", 0.001, fail), until=third)
        return tries

    assert asyncio.run(scenario()) == 3


def test_a_task_under_way_is_cut_and_does_not_delay_the_stop() -> None:
    async def scenario() -> None:
        begun = asyncio.Event()

        async def hang() -> None:
            begun.set()
            await asyncio.Event().wait()

        await repeated(PeriodicTask("slow", NEVER_AGAIN, hang), until=begun)

    asyncio.run(scenario())


def test_a_task_ends_although_something_in_it_loses_the_cancellation() -> None:
    async def scenario() -> bool:
        begun = asyncio.Event()

        async def lose() -> None:
            begun.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

        repeating = asyncio.create_task(PeriodicTask("deaf", NEVER_AGAIN, lose).repeat())
        await begun.wait()
        repeating.cancel()
        await asyncio.wait({repeating}, timeout=PATIENCE)
        return repeating.cancelled()

    assert asyncio.run(scenario())
