"""Why each event ended as it did: the reasons that the ledger keeps and `cogento explain` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogento.events.outcomes import Reason
from cogento.events.versions import Known, Verdict, Version
from cogento.ordering import rules
from cogento.ordering.evidence import Evidence, Member, member_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision seen from its events: what the row knew before and what it shows now."""

    known: Known | None
    evidence: Evidence
    shown: Member
    changed: bool
    sure: bool

    def verdicts(self, versions: Iterable[Version], fresh: Mapping[str, Version]) -> Iterator[Verdict]:
        """One verdict per version, in their order; `fresh` are those that count, by id."""
        uncounted = dict(fresh)
        for version in versions:
            counts = uncounted.pop(version.event_id, None) is version
            yield self._verdict(version, fresh) if counts else Verdict(version.event_id, Reason.DUPLICATE)

    def _verdict(self, version: Version, fresh: Mapping[str, Version]) -> Verdict:
        if version.event_id == self.shown.event_id:
            return Verdict(version.event_id, self._why_shown(fresh.values()))
        winner = fresh.get(self.shown.event_id)
        if winner is not None and not self._came_too_late(version):
            return Verdict(version.event_id, Reason.SUPERSEDED, superseded_by=winner.event_id)
        return Verdict(version.event_id, self._why_not_shown(version))

    def _why_shown(self, fresh: Iterable[Version]) -> Reason:
        if not self.changed:
            return Reason.UNCHANGED
        if not self.sure:
            return Reason.TIE_BREAK
        if self.known is None:
            return Reason.FIRST
        others = [*self.evidence.everyone, *map(member_of, fresh)]
        return reason_to_show(
            self.shown, [other for other in others if other.event_id != self.shown.event_id]
        )

    def _why_not_shown(self, version: Version) -> Reason:
        if self.evidence.ended and not rules.ends_life(version):
            return Reason.AFTER_DELETE
        return Reason.UNCHANGED if version.state == self.shown.state else Reason.STALE

    def _came_too_late(self, version: Version) -> bool:
        """Whether the row already showed something later before this batch."""
        if self.evidence.ended and not rules.ends_life(version):
            return True
        before = [m for m in self.evidence.members if self.known and m.event_id == self.known.shown]
        return any(rules.begins_life(version) or rules.is_surely_earlier(version, shown) for shown in before)


def reason_to_show(shown: Member | Version, others: Iterable[Member]) -> Reason:
    """Tell whether the second alone made it last, or the evidence inside the events."""
    return Reason.NEWER if all(rules.is_surely_earlier(other, shown) for other in others) else Reason.FOLLOWS
