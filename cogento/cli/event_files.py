"""Event files as people keep them, read into the bodies that webhooks would carry.

A file holds one JSON document, indented or not, or one per line; a document is an event, an API object without
its event, an event's `data`, or one of Stripe's lists of these. Knows no network.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

SUFFIXES = frozenset({".json", ".jsonl", ".ndjson"})
_WRAPPED_ID_LENGTH = 24
MAX_FILE_BYTES = 256 * 1024**2

Json = dict[str, Any]


class UnreadableFileError(Exception):
    """A file that holds no events; the message names it and says what is wrong."""


@dataclass(frozen=True, slots=True)
class SignableEvent:
    """One event ready to be signed: where it came from, and the exact bytes to send.

    `replaced_id` is its id in the file, when another event of the same call keeps that id.
    """

    source: str
    event_id: str
    type: str
    body: bytes
    replaced_id: str | None = None


def read_events(paths: Iterable[Path]) -> list[SignableEvent]:
    """Read files, and folders by name, in order; raises UnreadableFileError for the first that can't be read.

    A whole event keeps its bytes. An object or a `data` hash becomes an `updated` event (`deleted` for the
    stub of a deleted customer) with the second in which its file was last changed, and an id derived from its content, so that
    sending the same file again is a duplicate.
    """
    events = [event for path in paths for file in _files(path) for event in _read_file(file)]
    try:
        return list(_with_distinct_ids(events))
    except RecursionError as error:
        raise UnreadableFileError("an event nests too deep to be compared with another of its id") from error


def _files(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
        found = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES)
    except OSError as error:
        raise UnreadableFileError(f"{path}: {error.strerror}") from error
    if not found:
        raise UnreadableFileError(f"{path}: no {', '.join(sorted(SUFFIXES))} file in this folder")
    return found


def _read_file(file: Path) -> Iterator[SignableEvent]:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
        changed = int(file.stat().st_mtime)
    except OSError as error:
        raise UnreadableFileError(f"{file}: {error.strerror}") from error
    if len(raw) > MAX_FILE_BYTES:
        raise UnreadableFileError(f"{file}: more than {MAX_FILE_BYTES // 1024**2} MB: split it")

    parts = [(str(file), raw)]
    lines = [(f"{file}:{number}", line) for number, line in enumerate(raw.splitlines(), 1) if line.strip()]
    if len(lines) > 1:
        with suppress(UnreadableFileError):
            _parse(*lines[0])
            parts = lines  # the first line is a document already, so each line is one

    for source, part in parts:
        document = _parse(source, part)
        if isinstance(document, dict) and document.get("object") == "list":
            document = document.get("data", [])
            if not isinstance(document, list):
                raise UnreadableFileError("a list of Stripe's whose data is none")
        for one in document if isinstance(document, list) else [document]:
            event = _event(source, one, changed=changed)
            body = part if event is document else _written(event)
            yield SignableEvent(source, str(event.get("id")), str(event.get("type")), body)


def _parse(source: str, raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UnreadableFileError(f"{source}: not JSON: {error.msg} at {where}") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(f"{source}: not JSON: {error}") from error


def _event(source: str, document: Any, *, changed: int) -> Json:
    match document:
        case {"object": "event" | "v2.core.event"}:
            event: Json = document
            return event
        case {"object": str()}:
            return _wrapped({"object": document}, changed=changed)
        case {"object": {"object": str()}}:
            return _wrapped(document, changed=changed)
        case _:
            raise UnreadableFileError(f"{source}: neither an event nor a Stripe object")


def _wrapped(data: Json, *, changed: int) -> Json:
    an_object = data["object"]
    kind = an_object["object"]
    family = "customer.subscription" if kind == "subscription" else kind
    return {
        "id": f"evt_{_digest(data)}",
        "object": "event",
        "api_version": None,
        "created": changed,
        "data": data,
        "livemode": an_object.get("livemode", False),
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": f"{family}.deleted" if an_object.get("deleted") is True else f"{family}.updated",
    }


def _with_distinct_ids(events: Sequence[SignableEvent]) -> Iterator[SignableEvent]:
    """Give a new id to an event whose id another one has: recorded files share placeholder ids.

    The first keeps the id. An event that is in the files twice keeps its id both times.
    """
    content_of: dict[str, Json] = {}
    for event in events:
        content = json.loads(event.body)
        if content_of.setdefault(event.event_id, content) == content:
            yield event
        else:
            renamed = {**content, "id": f"evt_{_digest(content)}"}
            yield replace(event, event_id=renamed["id"], body=_written(renamed), replaced_id=event.event_id)


def _digest(content: Json) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_WRAPPED_ID_LENGTH]


def _written(event: Json) -> bytes:
    return json.dumps(event, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass")
