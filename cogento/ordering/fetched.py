"""What a state that was fetched from Stripe is worth beside the events (R10).

It is a sighting stamped with Stripe's own clock, and mostly the last word. But Stripe may answer from a
copy that lags behind: then the state is one that the events know was left. Such an answer is remembered
and not believed, and the row is unsure, so that Stripe is asked again. Knows no network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from cogento.ordering import rules
from cogento.ordering.walks import possible_ends

if TYPE_CHECKING:
    from cogento.ordering.evidence import Evidence, Member

LAG_SECONDS = 60
"""No copy lags longer: after that, what contradicts the events is what they did not tell."""


def believed(evidence: Evidence) -> Evidence:
    """Leave out the answers that are outdated; the same object where none is."""
    kept = tuple(one for one in evidence.members if not (one.fetched and is_outdated(one, evidence)))
    return evidence if len(kept) == len(evidence.members) else replace(evidence, members=kept)


def is_outdated(answer: Member, evidence: Evidence) -> bool:
    """Tell whether the events before an answer are sure that its state was left, and too young for it to be back."""
    told = _told_before(answer, evidence)
    last = rules.newest_told(told.contenders)
    if last is None or last.created + LAG_SECONDS < answer.created:
        return False
    ends = possible_ends(told)
    return ends.are_sure and answer.state not in ends.states and answer.state in _states_seen(told)


def _told_before(answer: Member, evidence: Evidence) -> Evidence:
    told = (event for event in evidence.members if not event.fetched and event.created <= answer.created)
    return replace(evidence, members=tuple(told))


def _states_seen(evidence: Evidence) -> frozenset[bytes]:
    return frozenset(state for event in evidence.everyone for state in (event.leads_from, event.state))
