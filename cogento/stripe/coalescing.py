"""Questions that are under way already are not asked again: whoever wants the same waits for the same answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

T = TypeVar("T")


class Coalesced(Generic[T]):
    """Questions of one event loop by what they ask for."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}

    async def ask(self, what: Hashable, question: Callable[[], Coroutine[object, object, T]]) -> T:
        """Ask, or join whoever is asking; who gives up waiting stops nobody else."""
        task = self._under_way.get(what)
        if task is None:
            task = self._under_way[what] = asyncio.create_task(question())
            task.add_done_callback(lambda done: self._end(what, done))
        return await asyncio.shield(task)

    def _end(self, what: Hashable, done: asyncio.Task[T]) -> None:
        del self._under_way[what]
        if not done.cancelled():
            done.exception()  # asked for, so that a failure nobody waited for is no warning of asyncio's
