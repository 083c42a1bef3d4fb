"""Every rule is needed: switched off, it makes a law or a named case fail.

Only a wrong row counts as a failure: rows are made before the law is checked, so that a mutant which merely crashes proves
nothing. A mutant gets one portion of the histories after the other, until one fails. The table in docs/ordering.md is made from
the mutants here.
"""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import pytest

from cogento.events import projection, reductions
from cogento.events.kinds import subscription
from cogento.ordering import memory, row_values, rules, walks
from cogento.ordering import order as ordering
from tests.model import test_order_laws as laws
from tests.support.model.deliveries import one_by_one, scrambled
from tests.support.model.histories import random_history
from tests.support.model.monotony import regressions
from tests.support.model.trials import Trial, trial_of, try_rendered
from tests.unit.ordering import test_fetched_answers as fetched_cases
from tests.unit.ordering import test_order as cases
from tests.unit.ordering import test_row_values as gap_cases

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS, BODIES = 400, 200
"""How many histories there are to break a law."""

PORTION = 20

DOCUMENT = (Path(__file__).parents[2] / "docs" / "ordering.md").read_text()


class Mutant(NamedTuple):
    """What is switched off, how, the test that must fail, and what goes wrong."""

    rule: str
    off: tuple[object, str, object]
    fails: Callable[..., None]
    then: str


same_row = laws.test_law_1_every_delivery_ends_in_the_same_row
determined = laws.test_law_2_what_the_evidence_determines_is_what_the_row_shows
rashly_sure = laws.test_law_3_a_row_is_sure_only_where_the_evidence_determines_its_state
needless = laws.test_law_3_a_row_is_unsure_of_the_determined_only_where_it_had_to_forget

LAWS = [
    Mutant(
        "R0 once",
        (ordering, "unseen", lambda _, versions: {v.event_id: v for v in versions}),
        same_row,
        "a redelivery counts as a second change",
    ),
    Mutant(
        "R0 one request, one change",
        (rules, "is_same_change", lambda *_: False),
        needless,
        "what two endpoints were told of one change counts as two",
    ),
    Mutant(
        "R1 ends absorb",
        (rules, "is_terminal", lambda _: False),
        needless,
        "whether a canceled subscription is back is in doubt",
    ),
    Mutant(
        "R2 creation first",
        (rules, "is_creation", lambda _: False),
        determined,
        "a creation stamped late overwrites what came after",
    ),
    Mutant(
        "R3 seconds",
        (rules, "is_surely_earlier", lambda *_: False),
        needless,
        "what seconds decide is in doubt",
    ),
    Mutant(
        "R3 contradiction",
        (rules, "reads_earlier", lambda *_: False),
        rashly_sure,
        "a chain of links that seconds contradict is sure",
    ),
    Mutant(
        "R4 walks",
        (walks.Walk, "unbroken_ends", lambda *_: walks.NO_STATES),
        needless,
        "what the changes tell of their order is in doubt",
    ),
    Mutant(
        "R8 greatest",
        (rules, "greatest", Random(8).choice),
        same_row,
        "each worker shows another of the states that are left",
    ),
    Mutant(
        "R9 memory",
        (memory, "MAX_GROUPS", 1),
        determined,
        "a link that comes late finds nothing to link to",
    ),
    Mutant(
        "the short path's condition",
        (ordering, "is_plainly_last", lambda *_: True),
        determined,
        "the last delivered is shown",
    ),
]

READINGS = [
    Mutant(
        "the oldest item's product",
        (subscription, "oldest", lambda items: items[0]),
        same_row,
        "the order of a list makes another state",
    ),
    Mutant(
        "undoing in depth",
        (projection, "undo", lambda _, before: before),
        needless,
        "a hash told in part leads from a state that never was",
    ),
    Mutant(
        "the period on the items",
        (subscription, "_boundary", lambda told, _items, key, _choose: told.get(key)),
        same_row,
        "one state in two shapes counts as two",
    ),
    Mutant(
        "objects in place of ids",
        (reductions, "id_of", lambda reference: reference),
        same_row,
        "one state with references expanded or not counts as two",
    ),
    Mutant(
        "null as absent",
        (reductions, "pruned", lambda value: value),
        needless,
        "a null told for what was absent makes another state",
    ),
]

CASES = [
    Mutant(
        "R7 growth",
        (rules, "has_grown", lambda *_: False),
        cases.test_a_value_that_mostly_grows_hints_at_the_later_of_two_sightings,
        "the greater id is shown",
    ),
    Mutant(
        "R5 edges before sightings",
        (rules, "edges_first", lambda candidates: candidates),
        cases.test_a_sighting_that_nothing_links_does_not_beat_an_edge_and_is_in_doubt,
        "the sighting is shown",
    ),
    Mutant(
        "R6 fewest breaks",
        (walks.Walk, "least_broken_ends", lambda *_: walks.NO_STATES),
        cases.test_of_unlinked_events_the_one_that_starts_at_the_anchor_comes_first,
        "the greater second is shown",
    ),
    Mutant(
        "R10 outdated answers",
        (ordering, "is_outdated", lambda *_: False),
        fetched_cases.test_an_answer_that_shows_what_was_just_left_keeps_the_row_and_makes_it_unsure,
        "the row goes back to what a lagging copy shows, and is sure",
    ),
    Mutant(
        "gaps are filled",
        (row_values, "FILLED_COLUMNS", dict.fromkeys(row_values.FILLED_COLUMNS, ())),
        gap_cases.test_the_newest_event_that_carries_a_value_fills_the_gap,
        "a null overwrites a product",
    ),
]


def named(mutants: list[Mutant]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("mutant", mutants, ids=[mutant.rule for mutant in mutants])


def trials_of_events(numbers: range) -> list[Trial]:
    """Deliver one by one, so that no batch hides an error."""
    return [trial_one_by_one(Random(f"mutations:{number}")) for number in numbers]


def trial_one_by_one(dice: Random) -> Trial:
    history = random_history(dice)
    copies = [*history.versions, *history.versions]
    orders = [history.versions, *(dice.sample(copies, len(copies)) for _ in range(2))]
    return trial_of(history, [one_by_one(order) for order in orders])


def trials_of_bodies(numbers: range) -> list[Trial]:
    return [try_rendered(f"mutations:{number}", deliveries=2) for number in numbers]


def breaks(law: Callable[..., None], trials_of: Callable[[range], list[Trial]], *, most: int) -> bool:
    """Tell whether one of so many histories breaks the law; a portion at a time."""
    return any(fails(law, trials_of(range(first, first + PORTION))) for first in range(0, most, PORTION))


def fails(law: Callable[..., None], trials: list[Trial]) -> bool:
    try:
        law(trials)
    except AssertionError:
        return True
    return False


@named(LAWS)
def test_without_the_rule_a_law_breaks(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*mutant.off)

    assert breaks(mutant.fails, trials_of_events, most=EVENTS)


PRECEDING = [
    mutant for mutant in LAWS if mutant.rule in {"R1 ends absorb", "R2 creation first", "R3 seconds"}
]
"""What puts one event before another by these two alone."""


@named(PRECEDING)
def test_without_the_rule_a_row_goes_back(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*mutant.off)
    lives = ((Random(f"back:{number}"), Random(number)) for number in range(EVENTS))

    assert any(regressions(scrambled(dice, random_history(life).versions)) for life, dice in lives)


@named(READINGS)
def test_without_the_reading_a_law_breaks_for_bodies(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*mutant.off)

    assert breaks(mutant.fails, trials_of_bodies, most=BODIES)


@named(CASES)
def test_without_the_rule_a_case_breaks(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*mutant.off)

    with pytest.raises(AssertionError):
        mutant.fails()


def test_with_every_rule_the_same_trials_break_no_law() -> None:
    trials = [*trials_of_events(range(EVENTS)), *trials_of_bodies(range(BODIES))]

    same_row(trials)
    determined(trials)
    needless(trials)


def test_every_rule_is_switched_off() -> None:
    listed = set(re.findall(r"^    (R\d+) ", ordering.__doc__ or "", re.MULTILINE))

    assert {mutant.rule.split()[0] for mutant in [*LAWS, *CASES]} >= listed


def test_the_documented_table_says_what_fails() -> None:
    assert table([*LAWS, *READINGS, *CASES]) in DOCUMENT


def table(mutants: list[Mutant]) -> str:
    """Lay the mutants out as the table in docs/ordering.md, rules in their order and the rest after them."""
    ordered = sorted(mutants, key=lambda mutant: place(mutant.rule))
    rows = [f"| {mutant.rule} | {sentence(mutant.fails)} | {mutant.then} |" for mutant in ordered]
    return "\n".join(["| switched off | what fails | what goes wrong |", "| --- | --- | --- |", *rows])


def place(rule: str) -> int:
    number = re.match(r"R(\d+) ", rule)
    return int(number[1]) if number else 99


def sentence(test: Callable[..., None]) -> str:
    """Say a test's name: `law 1: …`, or `case: …`."""
    words = test.__name__.removeprefix("test_").replace("_", " ")
    law = re.match(r"law \d", words)
    return f"{law[0]}:{words[law.end() :]}" if law else f"case: {words}"
