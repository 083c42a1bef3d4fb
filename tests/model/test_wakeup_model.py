"""The wake-up in every state: ready events always have one on its way, or a worker that will claim again.

Healthy processes only: a lost wake-up or a dead worker is covered by the workers' own polls.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_READY = 3


class Worker(Enum):
    """What a worker is at."""

    IDLE = auto()
    CLAIMING = auto()  # will claim next
    WORKING = auto()  # holds a lease


class Rule(Enum):
    """What put.lua and claim.lua rely on."""

    FINDING_NOTHING_SAYS_SO = auto()
    PUT_WAKES_WHEN_NOBODY_IS_AWAKE = auto()
    A_CLAIM_IS_FOLLOWED_BY_ANOTHER = auto()


class State(NamedTuple):
    """Customers in line, whether somebody counts as awake, messages under way, workers."""

    ready: int = 0
    awake: bool = False
    wakeups: int = 0
    workers: tuple[Worker, ...] = (Worker.IDLE, Worker.IDLE)


def moves(state: State, without: Rule | None) -> Iterator[State]:
    """Every next state."""
    if state.ready < MOST_READY:
        yield put(state, without)
    for number, worker in enumerate(state.workers):
        if worker is Worker.IDLE and state.wakeups:
            yield at(state._replace(wakeups=state.wakeups - 1), number, Worker.CLAIMING)
        if worker is Worker.CLAIMING:
            yield claim(state, number, without)
        if worker is Worker.WORKING:
            tired = without is Rule.A_CLAIM_IS_FOLLOWED_BY_ANOTHER
            yield at(state, number, Worker.IDLE if tired else Worker.CLAIMING)


def put(state: State, without: Rule | None) -> State:
    state = state._replace(ready=state.ready + 1)
    if state.awake or without is Rule.PUT_WAKES_WHEN_NOBODY_IS_AWAKE:
        return state
    return state._replace(awake=True, wakeups=state.wakeups + 1)


def claim(state: State, number: int, without: Rule | None) -> State:
    """Claim all: the script that finds nothing, and no lease, says in the same step that nobody is awake."""
    if state.ready:
        return at(state._replace(ready=0, awake=True), number, Worker.WORKING)
    state = at(state, number, Worker.IDLE)
    if Worker.WORKING in state.workers or without is Rule.FINDING_NOTHING_SAYS_SO:
        return state
    return state._replace(awake=False)


def at(state: State, number: int, worker: Worker) -> State:
    workers = (*state.workers[:number], worker, *state.workers[number + 1 :])
    return state._replace(workers=workers)


def forgotten(without: Rule | None = None) -> set[State]:
    """Search every state for ready events that nobody will come for."""
    seen = {State()}
    frontier = deque(seen)
    while frontier:
        new = set(moves(frontier.popleft(), without)) - seen
        seen |= new
        frontier.extend(new)
    return {
        state for state in seen if state.ready and not state.wakeups and set(state.workers) == {Worker.IDLE}
    }


def test_nobody_goes_idle_just_as_an_event_arrives() -> None:
    assert forgotten() == set()


@pytest.mark.parametrize("rule", Rule)
def test_without_a_rule_events_are_forgotten_until_the_next_poll(rule: Rule) -> None:
    assert forgotten(without=rule)
