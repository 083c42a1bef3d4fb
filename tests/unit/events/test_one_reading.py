"""What the receiver checked is what the worker reads: duplicate keys, escapes and damage included.

Two parsers read each body, a fast one for the envelope and a whole one for the event, and a third judges
them here: Python's own `json.loads`.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from cogento.events import strict_json
from cogento.events.envelope import is_ours, parse_envelope
from cogento.events.errors import PermanentError, RejectedError
from cogento.events.event import read_event
from cogento.events.names import is_object_id, referenced_id
from tests.support.builders import NOW, Json, body, customer, event, subscription

Reading = tuple[Any, ...]
Pairs = list[tuple[str, Any]]


def envelopes_reading(body_: bytes) -> Reading:
    """Read with `parse_envelope`; give the example up when it refuses."""
    try:
        envelope = parse_envelope(body_, now=NOW)
    except RejectedError:
        assume(False)  # noqa: FBT003 - assume's own way
        raise
    return (
        envelope.event_id,
        envelope.type,
        envelope.created,
        envelope.livemode,
        envelope.account,
        envelope.object_id,
        envelope.customer_id,
    )


def events_reading(body_: bytes) -> Reading:
    """Read with `read_event`; give the example up when it would be a dead letter."""
    try:
        read = read_event(body_)
    except PermanentError:
        assume(False)  # noqa: FBT003 - assume's own way
        raise
    return (read.id, read.type, read.created, read.object_id, read.customer_id)


def judges_reading(body_: bytes) -> Reading:
    document = json.loads(body_.decode())
    obj = document["data"]["object"]
    owner = referenced_id(obj.get("customer")) or ""
    return (
        document["id"],
        document["type"],
        document["created"],
        document.get("livemode"),
        document.get("account"),
        obj["id"],
        owner if is_object_id(owner) else obj["id"],
    )


def without_fences(reading: Reading) -> Reading:
    """Leave out mode and account, which only the envelope tells."""
    return (*reading[:3], *reading[5:])


def spelled(key: str, *, escaped: bool) -> str:
    """Write a key as it is or entirely in escapes: one key to JSON, two to a search for bytes."""
    return '"' + "".join(f"\\u{ord(c):04x}" for c in key) + '"' if escaped else json.dumps(key)


def written(value: Any, escapes: Any) -> str:
    """Write JSON in which an object is a list of pairs, so that keys may come twice."""
    if isinstance(value, list):
        pairs = (f"{spelled(key, escaped=next(escapes))}: {written(v, escapes)}" for key, v in value)
        return "{" + ", ".join(pairs) + "}"
    return json.dumps(value)


def repeated(pairs: Pairs, others: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Pairs]:
    """Some of the keys again, with other values, in any order among the first ones."""
    again = st.lists(
        st.sampled_from(sorted(others)).flatmap(lambda key: st.tuples(st.just(key), others[key])), max_size=4
    )
    return again.flatmap(lambda more: st.permutations([*pairs, *more]))


owners = st.sampled_from(["cus_1", "cus_2", [("id", "cus_3")], [("id", "cus_3"), ("id", "cus_4")]])
subscriptions = repeated(
    [("id", "sub_1"), ("object", "subscription"), ("customer", "cus_1"), ("status", "active")],
    {"id": st.sampled_from(["sub_2", "sub_3"]), "customer": owners, "status": st.just("canceled")},
)
datas = subscriptions.flatmap(lambda obj: repeated([("object", obj)], {"object": subscriptions}))
documents = datas.flatmap(
    lambda data: repeated(
        [("id", "evt_1"), ("type", "customer.subscription.updated"), ("created", NOW), ("data", data)],
        {
            "id": st.sampled_from(["evt_2", "evt_3"]),
            "type": st.just("customer.subscription.deleted"),
            "created": st.integers(NOW - 9, NOW),
            "livemode": st.sampled_from([None, True, False]),
            "account": st.sampled_from([None, "acct_1", "acct_2"]),
            "data": datas,
        },
    )
)
bodies = st.tuples(documents, st.randoms(use_true_random=False)).map(
    lambda drawn: written(drawn[0], iter(lambda: drawn[1].random() < 0.3, None)).encode()
)


@given(bodies)
def test_of_repeated_keys_everyone_reads_the_last(body_: bytes) -> None:
    assert envelopes_reading(body_) == judges_reading(body_)
    assert events_reading(body_) == without_fences(judges_reading(body_))


def whole(name: str) -> bytes:
    return body(event("customer.subscription.updated", subscription(customer=customer("cus_1", name=name))))


wholes = st.sampled_from([whole("Zoë"), whole("\x00\ud800")])  # the second needs the slow reader
places = st.floats(0, 1)
breaks = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"0", b" ", b"\\ud800", b"NaN"]


@given(wholes, places, st.integers(0, 3), st.binary(max_size=2) | st.sampled_from(breaks))
def test_a_damaged_body_is_refused_or_read_the_same(whole: bytes, place: float, cut: int, put: bytes) -> None:
    at = round(place * len(whole))
    body_ = whole[:at] + put + whole[at + cut :]

    reading = envelopes_reading(body_)

    assume(is_ours(reading[1]))
    assert reading == judges_reading(body_)
    assert events_reading(body_) == without_fences(reading)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
numbers = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@given(st.dictionaries(texts, values))
def test_what_was_written_is_read(document: Json) -> None:
    assert strict_json.read(json.dumps(document).encode()) == document
    assert strict_json.read(json.dumps(document, ensure_ascii=False, indent=1).encode()) == document
