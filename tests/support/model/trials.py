"""One random history, decided by the rules and judged by the oracle; the law tests and the long run share it.

Where a history is rendered, the rules get what was read from its bodies, and the oracle the intended history.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from cogento.events.outcomes import Reason
from cogento.ordering.evidence import unpack
from tests.support.model.deliveries import row_after, scrambled, shuffled, steps
from tests.support.model.histories import History, random_history
from tests.support.model.oracle import judge
from tests.support.model.rendering import rendered_history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogento.ordering.order import Decision, Version
    from tests.support.model.deliveries import Batch, Row

SHOWN = frozenset({Reason.FIRST, Reason.NEWER, Reason.FOLLOWS, Reason.TIE_BREAK, Reason.UNCHANGED})
"""Reasons that the event a row shows can have."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How the rules decided a history, compared with what can be known about it."""

    history: History
    rows: frozenset[Row]
    decidable: bool
    is_wrong: bool  # shows another state than the evidence determines, or one that it rules out
    is_unsure: bool
    has_forgotten: bool
    shows_truth: bool  # the evidence may mislead where changes were lost

    @property
    def diverged(self) -> bool:
        """Whether two deliveries ended in different rows (law 1)."""
        return len(self.rows) > 1

    @property
    def is_rashly_sure(self) -> bool:
        """Whether the row is sure where the evidence does not determine the state (law 3)."""
        return not self.decidable and not self.is_unsure

    @property
    def is_needlessly_unsure(self) -> bool:
        """Whether the row is unsure of what the evidence determines, with nothing forgotten (law 3)."""
        return self.decidable and self.is_unsure and not self.has_forgotten

    @property
    def is_misled(self) -> bool:
        """Whether the row is sure of a state that is not the truth, although no event was lost (law 2)."""
        return not (self.is_unsure or self.shows_truth or self.history.lost)

    @property
    def broken(self) -> list[str]:
        """The laws 1, 2 and 3 that this history broke."""
        forbidden = ("diverged", "is_wrong", "is_rashly_sure", "is_needlessly_unsure", "is_misled")
        return [name for name in forbidden if getattr(self, name)]


def try_history(seed: str, *, deliveries: int = 6) -> Trial:
    """Live a random life, deliver it in several ways, and judge the row."""
    dice = Random(seed)
    history = random_history(dice)
    return trial_of(history, [scrambled(dice, history.versions) for _ in range(deliveries)])


def try_rendered(seed: str, *, deliveries: int = 3) -> Trial:
    """Live a random life in whole Stripe objects, deliver each event in two shapes, and judge the row."""
    dice = Random(f"rendered:{seed}")
    told = rendered_history(dice)
    return trial_of(told.meant, [shuffled(dice, told.copies) for _ in range(deliveries)])


def trial_of(history: History, deliveries: Sequence[Sequence[Batch]]) -> Trial:
    """Judge the rows that several deliveries of one history end in."""
    opinion = judge(history.versions)
    rows = frozenset(row_after(batches) for batches in deliveries)
    row = next(iter(rows))
    return Trial(
        history=history,
        rows=rows,
        decidable=opinion.decidable,
        is_wrong=opinion.rules_out(state_of(row, history.versions)),
        is_unsure=not row.sure,
        has_forgotten=unpack(row.evidence).newest_dropped is not None,
        shows_truth=row.columns == history.truth,
    )


def state_of(row: Row | Decision, versions: Sequence[Version]) -> bytes:
    """The state of the event that a row shows."""
    return next(version.state for version in versions if version.event_id == row.last_event_id)


def untraceable_steps(batches: Sequence[Batch]) -> list[str]:
    """The decisions that do not show their event's snapshot, or leave an event without a fitting reason (law 4)."""
    seen: dict[str, Version] = {}
    untraceable = []
    for batch, decision in zip(batches, steps(batches), strict=True):
        seen = {version.event_id: version for version in batch} | seen
        told = [(verdict.event_id, verdict.reason) for verdict in decision.verdicts]
        shown = [reason for event_id, reason in told if event_id == decision.last_event_id]
        fits = (
            [event_id for event_id, _ in told] == [version.event_id for version in batch]
            and seen[decision.last_event_id].columns == decision.columns
            and set(shown) <= SHOWN | {Reason.DUPLICATE}
            and all(
                reason not in SHOWN - {Reason.UNCHANGED} for e, reason in told if e != decision.last_event_id
            )
        )
        if not fits:
            untraceable.append(str(decision.last_event_id))
    return untraceable
