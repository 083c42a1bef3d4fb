"""Why each event ended as it did: the reasons that the ledger keeps and `cogento explain` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from events.evidence import Evidence, Member, member_of
from events.outcomes import Reason
from events.versions import Known, Lifecycle, Verdict, Version
from events.walks import is_seconds_earlier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision seen from its events: what was known before and what is shown now."""

    known: Known | None
    evidence: Evidence
    shown: Member
    changed: bool
    sure: bool
    tied: bool

    def verdicts(self, versions: Iterable[Version], fresh: Mapping[str, Version]) -> Iterator[Verdict]:
        """One verdict per version, in their order."""
        shown_now = fresh.get(self.shown.event_id)
        for version in versions:
            if fresh.get(version.event_id) is not version:
                yield Verdict(version.event_id, Reason.DUPLICATE)
            elif version is shown_now:
                yield Verdict(version.event_id, self._why_shown())
            elif shown_now is not None and not self._came_too_late(version):
                yield Verdict(version.event_id, Reason.SUPERSEDED, superseded_by=shown_now.event_id)
            else:
                yield Verdict(version.event_id, self._why_not_shown(version))

    def _why_shown(self) -> Reason:
        if not self.changed:
            return Reason.UNCHANGED
        if not self.sure:
            return Reason.TIE_BREAK
        if self.known is None:
            return Reason.FIRST
        return Reason.FOLLOWS if self.tied else Reason.NEWER

    def _why_not_shown(self, version: Version) -> Reason:
        if self.evidence.ended and not version.terminal:
            return Reason.AFTER_DELETE
        return Reason.UNCHANGED if version.state == self.shown.state else Reason.STALE

    def _came_too_late(self, version: Version) -> bool:
        """Whether the row already showed something later before this batch."""
        if self.evidence.ended and not version.terminal:
            return True
        before = [m for m in self.evidence.members if self.known and m.event_id == self.known.shown]
        return any(
            version.lifecycle is Lifecycle.CREATED or is_seconds_earlier(member_of(version), m)
            for m in before
        )
