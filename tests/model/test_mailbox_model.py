"""The mailbox's invariants in every reachable state of the model, and proof that the search can fail."""

from __future__ import annotations

import pytest

from tests.model.mailbox_model import Guard, Search, search, stuck_states


@pytest.fixture(scope="module")
def found() -> Search:
    return search()


def test_every_invariant_holds_in_every_state(found: Search) -> None:
    print(f"\nmailbox model: {len(found.steps):,} states, {sum(map(len, found.steps.values())):,} steps")  # noqa: T201
    assert found.violation is None, found.way
    assert len(found.steps) > 100_000


def test_from_every_state_the_mailboxes_can_still_be_emptied(found: Search) -> None:
    assert stuck_states(found) == set()


@pytest.mark.parametrize("guard", Guard)
def test_without_a_guard_an_invariant_falls(guard: Guard) -> None:
    found = search(without=guard)
    assert found.violation is not None
    assert found.way
