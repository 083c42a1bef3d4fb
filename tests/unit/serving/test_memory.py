"""Memory that a flood took is returned although cycles hold it, but not again and again."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from cogento.serving.memory import PAUSE_SECONDS, MemoryTrimmer, resident_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

MEGABYTE = 1024**2
FLOOD_BYTES = 512 * MEGABYTE

pytestmark = pytest.mark.skipif(not resident_bytes(), reason="the system has no /proc to read it from")


@pytest.fixture(autouse=True)
def _no_automatic_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def flood() -> None:
    """Leave garbage that only the collector of cycles finds."""
    cycle: list[object] = [bytearray(b"a" * MEGABYTE) for _ in range(FLOOD_BYTES // MEGABYTE)]
    cycle.append(cycle)


def test_what_cycles_held_is_given_back() -> None:
    memory = MemoryTrimmer()
    memory.trim_if_grown(0)
    before = resident_bytes()
    flood()
    assert resident_bytes() > before + 0.9 * FLOOD_BYTES
    memory.trim_if_grown(1)
    assert resident_bytes() < before + 0.1 * FLOOD_BYTES


def test_a_process_that_needs_more_than_it_did_is_not_searched_every_second() -> None:
    memory = MemoryTrimmer()
    memory.trim_if_grown(0)
    needed = bytearray(b"a" * FLOOD_BYTES)
    memory.trim_if_grown(1)
    flood()
    memory.trim_if_grown(PAUSE_SECONDS)
    assert resident_bytes() > 1.9 * len(needed)
    memory.trim_if_grown(1 + PAUSE_SECONDS)
    assert resident_bytes() < 1.9 * len(needed)
