"""What a process has made to start is left alone, and what is made later is still collected."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from cogento import collector

if TYPE_CHECKING:
    from collections.abc import Iterator


class Node:
    """Something that can be part of a cycle."""

    other: Node


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_is_there_is_never_looked_at_again() -> None:
    collector.spare_what_is_here()
    assert gc.get_freeze_count() > 0


def test_the_young_are_looked_at_rarely() -> None:
    collector.spare_what_is_here()
    lost = Node()
    lost.other = lost
    still = weakref.ref(lost)
    del lost
    kept: list[list[None]] = [[] for _ in range(collector.YOUNG // 2)]
    assert still() is not None, len(kept)


def test_cycles_made_later_are_freed_in_time() -> None:
    collector.spare_what_is_here()
    lost = Node()
    lost.other = lost
    still = weakref.ref(lost)
    del lost
    kept: list[list[None]] = [[] for _ in range(collector.YOUNG + 1)]
    assert still() is None, len(kept)
