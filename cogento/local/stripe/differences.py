"""`previous_attributes` as Stripe writes them: the old values of what an update changed.

Hashes are written partially and recursively, arrays whole, a list object as a hash that holds its `data`,
and null stands for what was absent. An object replaced by another one (a plan) is written whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def previous_attributes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `before` that `after` changed; empty when nothing did."""
    return {
        key: _previous(before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    }


def _previous(old: Any, new: Any) -> Any:
    if isinstance(old, Mapping) and isinstance(new, Mapping) and not _is_replaced(old, new):
        return previous_attributes(old, new)
    return old


def _is_replaced(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return "object" in old and old.get("id") != new.get("id")
