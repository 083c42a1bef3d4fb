"""The recorded Stripe payloads of tests/data, and what a person says that each becomes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.builders import NOW, Json, body, event

_DATA = Path(__file__).parents[1] / "data"
FOLDER = _DATA / "stripe_events"

LATER = 1_800_000_000  # a time of day after every recorded event

GOLDEN: dict[str, Any] = json.loads((_DATA / "golden_rows.json").read_text())
"""File name to `{table: row}` (times in Unix seconds), "not ours", or "malformed: why"."""

NAMES = sorted(path.name for path in FOLDER.glob("*.json"))
ROWS = sorted(name for name, becomes in GOLDEN.items() if isinstance(becomes, dict))
NOT_OURS = sorted(name for name, becomes in GOLDEN.items() if becomes == "not ours")
MALFORMED = sorted(set(GOLDEN) - set(ROWS) - set(NOT_OURS))


def posted(name: str) -> bytes:
    """The body of a file's event; what is no whole event is wrapped as an update of its object."""
    return body(_as_event(json.loads((FOLDER / name).read_text())))


def _as_event(document: Json) -> Json:
    if document.get("object") == "event":
        return document
    data = document if isinstance(document["object"], dict) else {"object": document}
    wrapped = event(_update_of(data["object"]["object"]), data["object"], created=NOW, api_version=None)
    return {**wrapped, "data": data}


def _update_of(object_: str) -> str:
    return "customer.subscription.updated" if object_ == "subscription" else f"{object_}.updated"
