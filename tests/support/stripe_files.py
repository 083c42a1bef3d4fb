"""The recorded Stripe payloads of tests/data, and the expected result of each, written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.builders import NOW, Json, body, event

_DATA = Path(__file__).parents[1] / "data"
FOLDER = _DATA / "stripe_events"

DEAD_LETTER = "dead letter: "
_NOT_OURS = "not ours"

LATER = 1_800_000_000  # a time of day after every recorded event

GOLDEN: dict[str, Any] = json.loads((_DATA / "golden_rows.json").read_text())
"""File name to what it becomes: `{table: row}`, times in Unix seconds, or in words what else.

Of ours: "dead letter: why", for what no row can show, and "malformed: why", for what is no event. Of others: "not ours", and
"not ours, malformed: why".
"""

NAMES = sorted(path.name for path in FOLDER.glob("*.json"))
ROWS = sorted(name for name, becomes in GOLDEN.items() if isinstance(becomes, dict))
IN_WORDS = sorted(set(GOLDEN) - set(ROWS))
NOT_OURS = sorted(name for name in IN_WORDS if GOLDEN[name].startswith(_NOT_OURS))
DEAD = sorted(name for name in IN_WORDS if GOLDEN[name].startswith(DEAD_LETTER))


def answer_to(name: str) -> tuple[int, str]:
    """The receiver's answer to a file: its status, and its word or the code of its error."""
    if name in NOT_OURS:
        return 200, "ignored"
    return (200, "queued") if name in (*ROWS, *DEAD) else (400, "malformed")


def is_whole_event(name: str) -> bool:
    """Tell a recorded event from an object, which tells no time of an event."""
    return bool(json.loads((FOLDER / name).read_text()).get("object") == "event")


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
