from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.startup import GC_THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Iterator


async def for_ever(seen: list[str] | None = None) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        (seen if seen is not None else []).append("cancelled")


async def fail() -> None:
    raise TimeoutError("its own")


def test_what_the_work_raises_is_raised_here_also_when_it_is_a_time_out() -> None:
    with pytest.raises(TimeoutError, match="its own"):
        runtime.run(fail())


def test_work_that_takes_too_long_is_ended() -> None:
    seen: list[str] = []
    with pytest.raises(TimeoutError):
        runtime.run(for_ever(seen), timeout_seconds=0.01)
    runtime.run(asyncio.sleep(0))
    assert seen == ["cancelled"]


class Node:
    """Something that can be part of a cycle."""

    other: Node


@pytest.fixture
def _gc_as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("_gc_as_it_was")
def test_startup_objects_are_frozen() -> None:
    runtime.freeze_startup_objects()
    assert gc.get_freeze_count() > 0


@pytest.mark.usefixtures("_gc_as_it_was")
def test_young_objects_are_collected_rarely() -> None:
    runtime.freeze_startup_objects()
    lost = Node()
    lost.other = lost
    still = weakref.ref(lost)
    del lost
    kept: list[list[None]] = [[] for _ in range(GC_THRESHOLD // 2)]
    assert still() is not None, len(kept)


@pytest.mark.usefixtures("_gc_as_it_was")
def test_cycles_made_later_are_freed_in_time() -> None:
    runtime.freeze_startup_objects()
    lost = Node()
    lost.other = lost
    still = weakref.ref(lost)
    del lost
    kept: list[list[None]] = [[] for _ in range(GC_THRESHOLD + 1)]
    assert still() is None, len(kept)
