"""Reducing an object to what tells its states apart, read from wherever the API version puts it.

Kept is what the tables show and what Stripe reports in previous_attributes whenever it changes. Values that
change silently (next_invoice_sequence) stay out: they would break the chain from one event to the next.
Two renderings of one state are reduced alike, and two states that are reduced alike show alike. Tolerant: a
predecessor is put together from parts and may be odd. Knows nothing of events.
"""

from __future__ import annotations

from typing import Any


def id_of(reference: object) -> object:
    """Give an id, also where the object itself is expanded in its place."""
    return reference.get("id") if isinstance(reference, dict) else reference


def pruned(value: object) -> Any:
    """Drop nulls, empty hashes and empty arrays: previous_attributes cannot tell them from absent."""
    if isinstance(value, dict):
        return {
            key: kept
            for key, inner in value.items()
            if (kept := inner if isinstance(inner, str) else pruned(inner)) is not None
        } or None
    if isinstance(value, list):
        return [pruned(entry) for entry in value] or None
    return value
