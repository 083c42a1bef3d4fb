"""Reducing an object to the values that distinguish its states, read from wherever the API version puts them.

Kept are values that the tables show and that Stripe reports in previous_attributes whenever they change. Values that change
silently (next_invoice_sequence) stay out: they would break the chain from one event to the next. Two renderings of one state are
reduced to the same value, and two states with the same value look the same in the tables. Tolerant: an earlier state is put
together from parts and may be malformed. Knows nothing of events.
"""

from __future__ import annotations

from typing import Any


def id_of(reference: object) -> object:
    """Return an id, also where the object itself is expanded in its place."""
    return reference.get("id") if isinstance(reference, dict) else reference


def pruned(value: object) -> Any:
    """Drop nulls, empty hashes and empty arrays: previous_attributes do not distinguish these from absent values."""
    if isinstance(value, dict):
        return {
            key: kept
            for key, inner in value.items()
            if (kept := inner if isinstance(inner, str) else pruned(inner)) is not None
        } or None
    if isinstance(value, list):
        return [pruned(entry) for entry in value] or None
    return value
