"""Evidence of order without personal data, for the rows of a person who is forgotten.

What is left still decides the order of late events. Pure, as everything here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from cogento.ordering.evidence import Evidence, pack, record_of, unpack
from cogento.ordering.row_values import remembered_values

if TYPE_CHECKING:
    from cogento.events.kinds.kind import Kind
    from cogento.events.versions import Version


def tombstone_evidence(deletion: Version) -> bytes:
    """Make the evidence of a customer of which only the end is known."""
    return pack(Evidence(ended=True, records=(record_of(deletion),)))


def without_personal_data(kind: Kind, stored: bytes) -> bytes:
    """Blank the columns in evidence that may hold personal data.

    Hashes of states stay: they distinguish events, and no data can be read from them. Raises OtherReleaseError for evidence that
    another release wrote.
    """
    evidence = unpack(stored)
    shown = ((state, kind.columns(*values)) for state, values in evidence.remembered_values)
    blanked = remembered_values((state, kind.without_personal_data(columns)) for state, columns in shown)
    kept = tuple(value for value in evidence.fill_values if value.column not in kind.personal_columns)
    return pack(structs.replace(evidence, **blanked, fill_values=kept)) if stored else stored
