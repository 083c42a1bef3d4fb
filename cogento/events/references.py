"""How one Stripe object names another: by its id, or expanded to the whole object."""

from __future__ import annotations

import re
from typing import Any

_OBJECT_ID = re.compile(r"[!-~]{1,255}")


def referenced_id(value: Any) -> str | None:
    """Give the id that a reference stands for; None when it is no reference."""
    id_ = value.get("id") if isinstance(value, dict) else value
    return id_ if isinstance(id_, str) else None


def is_object_id(text: str) -> bool:
    """Tell whether a text can be the id of a stored object: printable ASCII, no space, 1 to 255."""
    return _OBJECT_ID.fullmatch(text) is not None
