"""The mailbox's invariants in every reachable state of the model, and proof that the search can fail."""

from __future__ import annotations

import pytest

from tests.support.model.mailbox_model import (
    HURT,
    OF_LOSSES,
    PARTS,
    START,
    Guard,
    Search,
    search,
    stuck_states,
)

WHOLE = pytest.param((START, 100_000), id="everything", marks=pytest.mark.chaos)


@pytest.fixture(
    scope="module", params=[*(pytest.param((part, 4_000), id=name) for name, part in PARTS.items()), WHOLE]
)
def found(request: pytest.FixtureRequest) -> Search:
    """All states reachable from one start, which must not become much fewer."""
    start, least = request.param
    found = search(start)
    assert len(found.steps) > least
    return found


def test_every_invariant_holds_in_every_state(found: Search) -> None:
    print(f"\nmailbox model: {len(found.steps):,} states, {sum(map(len, found.steps.values())):,} steps")  # noqa: T201
    assert found.violation is None, found.way


def test_from_every_state_the_mailboxes_can_still_be_emptied(found: Search) -> None:
    assert stuck_states(found) == set()


@pytest.mark.parametrize("guard", Guard)
def test_without_a_guard_an_invariant_falls(guard: Guard) -> None:
    found = search(HURT if guard in OF_LOSSES else START, without=guard)
    assert found.violation is not None
    assert found.way


@pytest.fixture(scope="module")
def found_hurt() -> Search:
    return search(HURT)


def test_a9_whatever_redis_loses_at_any_moment_an_inspection_restores_every_invariant(
    found_hurt: Search,
) -> None:
    assert found_hurt.violation is None, found_hurt.way
    assert any(state.hurt for state in found_hurt.steps)


def test_a9_whatever_redis_loses_at_any_moment_the_mailboxes_can_still_be_emptied(found_hurt: Search) -> None:
    assert stuck_states(found_hurt) == set()
