from __future__ import annotations

import asyncio
import threading

import pytest

from cogento import bridge


class EndedError(Exception):
    pass


async def for_ever(seen: list[str] | None = None) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        (seen if seen is not None else []).append("cancelled")


async def until(event: threading.Event) -> str:
    await asyncio.to_thread(event.wait)
    return "done"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "TICK_SECONDS", 0.001)


async def fail() -> None:
    raise TimeoutError("its own")


def test_what_the_work_raises_is_raised_here_also_when_it_is_a_time_out() -> None:
    with pytest.raises(TimeoutError, match="its own"):
        bridge.run(fail())


def test_while_it_waits_the_caller_does_something_else() -> None:
    enough = threading.Event()

    assert bridge.run(until(enough), meanwhile=enough.set) == "done"


def test_what_is_raised_meanwhile_ends_the_work() -> None:
    seen: list[str] = []

    def end() -> None:
        raise EndedError

    with pytest.raises(EndedError):
        bridge.run(for_ever(seen), meanwhile=end)
    bridge.run(asyncio.sleep(0))
    assert seen == ["cancelled"]


def test_work_that_takes_too_long_is_ended() -> None:
    seen: list[str] = []
    with pytest.raises(TimeoutError):
        bridge.run(for_ever(seen), timeout_seconds=0.01)
    bridge.run(asyncio.sleep(0))
    assert seen == ["cancelled"]
