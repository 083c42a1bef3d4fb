"""Reads values of a Stripe object that only reports show: one that no column can hold is None.

Nobody's access depends on these, so an odd value must not keep the rest of its event, a cancellation for example, out of the
tables. Values that decide access or order are read strictly (cogento/events/fields.py). Knows no kind of object.
"""

from __future__ import annotations

import re
from typing import Any

from cogento.events.fields import LATEST_TIME

MAX_TEXT_LENGTH = 255

_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")


def text(value: object) -> str | None:
    """Return a string of at most MAX_TEXT_LENGTH characters; None for an empty one."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_TEXT_LENGTH else None


def id_of(reference: object) -> str | None:
    """Return an id, also where the object itself is expanded in its place."""
    return text(reference.get("id") if isinstance(reference, dict) else reference)


def boolean(value: object) -> bool | None:
    """Return true or false."""
    return value if isinstance(value, bool) else None


def number(value: object) -> int | None:
    """Return a whole number of at most 64 bits."""
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def time(value: object) -> int | None:
    """Return a time in whole Unix seconds, from 1970 to 9999."""
    return value if type(value) is int and 0 <= value <= LATEST_TIME else None


def decimal(value: object) -> int | float | None:
    """Return a decimal number that Stripe writes as a string; a whole one as int.

    Beyond fifteen digits it is rounded, as any JSON reader would.
    """
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        return None
    read = float(value)
    return int(read) if read.is_integer() else read


def nested(value: object) -> dict[str, Any]:
    """Return an object inside an object; an empty one where there is none."""
    return value if isinstance(value, dict) else {}
