"""What a row remembers: a function of the events seen, small, and readable by the next release or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogento.events.errors import OtherReleaseError
from cogento.ordering.evidence import NOTHING, EventRecord, Evidence, pack, unpack
from cogento.ordering.memory import MAX_GROUPS, MAX_RECORDS, newest_groups, remember
from cogento.ordering.order import Lifecycle, Version
from tests.support.builders import NOW
from tests.support.model.deliveries import last_step, one_by_one
from tests.support.model.histories import version

if TYPE_CHECKING:
    from random import Random

CREATED, DELETED = Lifecycle.CREATED, Lifecycle.DELETED


def member(created: int, event_id: str = "evt_1", *, fetched: bool = False) -> EventRecord:
    return EventRecord(event_id, created, b"s", None, (), partial=False, fetched=fetched)


def kept_seconds(*seconds: int) -> tuple[list[int], int | None]:
    kept, forgotten = newest_groups([member(second) for second in seconds], None)
    return [event.created for event in kept], forgotten


def test_keeps_the_newest_four_groups_and_knows_what_it_dropped() -> None:
    assert kept_seconds(10, 15, 16, 30, 34, 35, 45, 60) == ([60, 45, 35, 34, 30, 16, 15], 10)


def test_nothing_is_forgotten_while_everything_fits() -> None:
    assert kept_seconds(10, 12, 20) == ([20, 12, 10], None)


def test_answers_have_groups_of_their_own() -> None:
    answers = [member(second, fetched=True) for second in (6, 16, 26, 36, 46)]

    kept, forgotten = newest_groups([member(0), *answers], None)

    assert ([one.created for one in kept], forgotten) == ([46, 36, 26, 16, 0], None)


def test_an_answer_older_than_a_dropped_event_is_dropped_with_it() -> None:
    events = [member(second) for second in (10, 20, 30, 40, 50)]

    kept, forgotten = newest_groups([member(4, fetched=True), *events, member(55, fetched=True)], None)

    assert ([one.created for one in kept], forgotten) == ([55, 50, 40, 30, 20], 10)


members = st.lists(
    st.builds(member, st.integers(0, 60), st.sampled_from("abcdefghijklmnop"), fetched=st.booleans()),
    max_size=16,
    unique_by=lambda m: m.event_id,
)


@given(members, members, st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_remembering_in_two_parts_is_remembering_the_whole(
    one: list[EventRecord], other: list[EventRecord], dice: Random
) -> None:
    everyone = list({m.event_id: m for m in [*one, *other]}.values())
    dice.shuffle(everyone)
    first, forgotten = newest_groups(everyone[:5], None)

    assert newest_groups([*first, *everyone[5:]], forgotten) == newest_groups(everyone, None)


def test_a_flood_in_one_second_is_cut_and_never_sure() -> None:
    flood = [version(f"evt_{n:03}", NOW, str(n + 1), str(n)) for n in range(MAX_RECORDS + 10)]

    at_once, in_parts = last_step(flood), last_step(flood[50:], flood[:20], flood[10:60])

    assert len(unpack(at_once.evidence).records) == MAX_RECORDS
    assert at_once.evidence == in_parts.evidence
    assert not at_once.sure


def test_a_flood_is_forgotten_once_it_is_over() -> None:
    flood = [version(f"evt_{n:03}", NOW, str(n + 1), str(n)) for n in range(MAX_RECORDS + 10)]

    decision = last_step(flood, [version("evt_z", NOW + 60, "calm")])

    assert (decision.last_event_id, decision.sure) == ("evt_z", True)


def test_a_flood_is_cut_alike_whether_it_is_seen_before_or_after_what_follows() -> None:
    flood = [version(f"evt_{n:03}", NOW, str(n + 1), str(n)) for n in range(MAX_RECORDS + 10)]
    later = version("evt_z", NOW + 60, "calm")

    before, after = last_step([later], flood), last_step(flood, [later])

    assert before.evidence == after.evidence == last_step(flood[30:], [later], flood[:40]).evidence


def remembered(*versions: Version) -> Evidence:
    return remember(NOTHING, versions)


def test_the_creation_stands_apart() -> None:
    evidence = remembered(version("evt_0", NOW, "a", lifecycle=CREATED), version("evt_1", NOW, "b", "a"))

    assert evidence.creation is not None
    assert (evidence.creation.event_id, [m.event_id for m in evidence.records]) == ("evt_0", ["evt_1"])


def test_the_creation_is_forgotten_with_the_first_group() -> None:
    later = [version(f"evt_{n}", NOW + 10 * n, str(n)) for n in range(1, MAX_GROUPS + 2)]

    assert remembered(version("evt_0", NOW, "a", lifecycle=CREATED), *later).creation is None


def test_an_end_leaves_only_ends() -> None:
    end = version("evt_9", NOW, "x", lifecycle=DELETED, terminal=True)

    evidence = remembered(version("evt_0", NOW, "a", lifecycle=CREATED), version("evt_1", NOW + 9, "b"), end)

    assert (evidence.ended, evidence.creation, [m.event_id for m in evidence.records]) == (
        True,
        None,
        ["evt_9"],
    )


def test_evidence_comes_back_as_it_was_written() -> None:
    evidence = remembered(version("evt_0", NOW, "a", lifecycle=CREATED), version("evt_1", NOW, "b", "a"))

    assert unpack(pack(evidence)) == evidence


def test_a_row_without_evidence_has_seen_nothing() -> None:
    assert unpack(b"") == NOTHING


@pytest.mark.parametrize("stored", [b"\xc1", b"hello", msgspec.msgpack.encode([99]), b"\x00"])
def test_what_another_release_wrote_waits_for_that_release(stored: bytes) -> None:
    with pytest.raises(OtherReleaseError):
        unpack(stored)


def test_a_row_in_the_common_case_carries_less_than_two_hundred_bytes() -> None:
    ids = [f"evt_1TbGjLJEe0yY0QKrJVg6c{n:03}" for n in range(6)]
    life = [version(ids[n], NOW + 60 * n, f"state{n + 1}", f"state{n}") for n in range(6)]

    assert len(last_step(*one_by_one(life)).evidence) < 200


def test_the_look_of_a_state_is_kept_only_while_the_newest_window_has_several() -> None:
    tie = [version("evt_1", NOW, "b", "a"), version("evt_2", NOW, "c", "b")]

    tied = last_step(tie)
    settled = last_step(tie, [version("evt_3", NOW + 60, "d", "c")])

    assert [state for state, _ in unpack(tied.evidence).columns] == [b"b"]
    assert unpack(settled.evidence).columns == ()
