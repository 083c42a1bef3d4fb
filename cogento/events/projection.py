"""An event's evidence of order: the state it shows, and the state that it says came before.

Knows the shapes of Stripe's previous_attributes; nothing of other events.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec

from cogento.events.kinds import KINDS, is_deletion, kind_of
from cogento.events.versions import Lifecycle, Version

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogento.events.fields import Json
    from cogento.events.kinds.kind import Columns, Kind, Projection
    from cogento.events.names import EventId

_LIFECYCLES = {kind.creation: Lifecycle.CREATED for kind in KINDS} | {
    kind.deletion: Lifecycle.DELETED for kind in KINDS
}

_encode = msgspec.msgpack.Encoder(order="sorted").encode


def version_of(
    kind: Kind,
    *,
    event_id: EventId,
    type_: str,
    created: int,
    obj: Json,
    previous_attributes: object,
    columns: Columns,
    request: object = None,
) -> Version:
    """Read an event's evidence of order from its raw object, previous_attributes and request, as Stripe sent them.

    Any API version may have rendered them: shapes are recognised by their fields, not by the version, for previews have versions of their own.
    """
    lifecycle = _LIFECYCLES.get(type_, Lifecycle.CHANGED)
    terminal = lifecycle is Lifecycle.DELETED or kind.shows_end(columns)
    project = _project_deleted if terminal and kind.read_deleted is not None else kind.project
    projection = project(obj)
    state = fingerprint(projection)
    before = _before(obj, previous_attributes, state, project, kind.projected)
    return Version(
        event_id=event_id,
        created=created,
        lifecycle=lifecycle,
        terminal=terminal,
        state=state,
        before=before,
        growing=kind.growth(obj, projection),
        columns=columns,
        partial=not kind.has_all_parts(obj),
        fetched=type_ == kind.fetched,
        request=None if before in {None, state} else _request(request),
    )


def is_terminal_event(type_: str, obj: Json) -> bool:
    """Tell whether an event of this type says that its object has ended; reads as little of the object as possible.

    While such an event is a dead letter or missing, somebody may keep access that has ended in Stripe.
    """
    if is_deletion(type_):
        return True
    kind = kind_of(type_)
    return kind is not None and kind.has_ended(obj)


def _project_deleted(_obj: Json) -> Projection:
    """Reduce a deleted object, whole or as the `{id, object, deleted}` stub, to the fact of its deletion."""
    return ["deleted"]


def _before(
    obj: Json,
    previous: object,
    state: bytes,
    project: Callable[[Json], Projection],
    projected: frozenset[str],
) -> bytes | None:
    """Hash the state before the event; None where there are no previous_attributes."""
    if not isinstance(previous, dict) or not previous:
        return None
    undone = {key: undo(obj.get(key), value) for key, value in previous.items() if key in projected}
    return fingerprint(project({**obj, **undone})) if undone else state


def _request(request: object) -> bytes | None:
    """Hash the id of the API request behind a change; None where Stripe acted by itself.

    https://docs.stripe.com/api/events/object#event_object-request: an object since 2017-05-25, an id before.
    """
    id_ = request.get("id") if isinstance(request, dict) else request
    if not isinstance(id_, str) or not id_:
        return None
    return hashlib.blake2b(id_.encode(errors="replace"), digest_size=4).digest()


def undo(now: object, before: object) -> Any:
    """Undo the change of one value by previous_attributes: objects key by key and in depth, arrays and everything else as a whole.

    A null means "was absent"; a projection does not distinguish the two.
    """
    if not isinstance(before, dict):
        return before
    known = now if isinstance(now, dict) else {}
    undone = {**known, **{key: undo(known.get(key), value) for key, value in before.items()}}
    return _completed(undone, known) if undone.get("object") == "list" else undone


def _completed(undone: Json, known: Json) -> Json:
    """Add the elements of a list that did not change, where its count says that they were left out.

    "In Stripe API versions 2017-04-06 or earlier, an updated array attribute in this object includes only the updated
    array elements" (https://docs.stripe.com/api/events/object); later versions include whole arrays.
    """
    listed, now, count = undone.get("data"), known.get("data"), undone.get("total_count")
    if not (isinstance(listed, list) and isinstance(now, list)) or len(listed) == count:
        return undone
    changed = [one.get("id") for one in listed if isinstance(one, dict)]
    unchanged = [one for one in now if isinstance(one, dict) and one.get("id") not in changed]
    return {**undone, "data": [*listed, *unchanged]} if len(listed) + len(unchanged) == count else undone


def fingerprint(projection: Projection) -> bytes:
    """Hash a projection to six bytes, plenty for the few states of one object that are ever compared."""
    try:
        packed = _encode(projection)
    except (UnicodeEncodeError, OverflowError):  # lone surrogates, integers past 64 bits: legal JSON
        packed = json.dumps(projection, sort_keys=True).encode()
    return hashlib.blake2b(packed, digest_size=6).digest()
