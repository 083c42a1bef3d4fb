"""Stored values: what goes in comes out, small; a value that is not ours is distinguished from one of a newer release."""

from __future__ import annotations

import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogento.events.outcomes import Source
from cogento.queue import codec
from cogento.queue.codec import Stored, decode, encode, same_content
from tests.support.builders import Shape, customer, event_body, item, subscription

NOW_MS = 1_760_000_000_123


@given(body=st.binary(), source=st.sampled_from(Source), received_ms=st.integers(0, 10**13 - 1))
def test_any_bytes_come_back_as_they_were(body: bytes, source: Source, received_ms: int) -> None:
    value = encode(body, received_ms=received_ms, source=source)
    assert decode(value, now_ms=0) == Stored(body, received_ms, source)


@pytest.mark.parametrize(
    ("body", "most"),
    [
        (event_body("customer.updated", customer(), before=customer(name="Eve")), 0.35),
        (event_body("customer.subscription.updated", subscription()), 0.25),
        (event_body("customer.subscription.updated", subscription(shape=Shape.LEGACY)), 0.25),
        (
            event_body(
                "customer.subscription.updated", subscription(items=[item(f"si_{n}") for n in range(9)])
            ),
            0.1,
        ),
    ],
)
def test_stripes_events_are_stored_in_a_fraction_of_their_size(body: bytes, most: float) -> None:
    assert len(encode(body, received_ms=NOW_MS, source=Source.WEBHOOK)) < most * len(body)


def test_what_does_not_get_smaller_is_stored_as_it_is() -> None:
    value = encode(b"\x00\xff{", received_ms=NOW_MS, source=Source.WEBHOOK)
    assert value == b"\x02w1760000000123=\x00\xff{"


def test_what_would_unfold_to_very_much_more_is_stored_as_it_is() -> None:
    body = b"{" + b" " * 2**20
    assert encode(body, received_ms=NOW_MS, source=Source.WEBHOOK).endswith(codec.PLAIN + body)


def test_the_dictionary_never_changes_under_stored_events() -> None:
    dictionary = resources.files("cogento.queue").joinpath("dictionaries/a.txt").read_bytes()
    assert zlib.crc32(dictionary) == 3_219_364_742


def test_lua_and_python_agree_on_the_header() -> None:
    value = encode(b"{}", received_ms=NOW_MS, source=Source.WEBHOOK)
    assert int(value[2:15]) == NOW_MS  # GETRANGE 2 14 in shard.lua
    assert value[codec.HEADER_BYTES :] == codec.PLAIN + b"{}"  # sub from HEADER + 1 in put.lua


@given(body=st.binary(), trace=st.binary(min_size=codec.TRACE_BYTES, max_size=codec.TRACE_BYTES))
def test_a_trace_comes_back_with_its_event(body: bytes, trace: bytes) -> None:
    value = encode(body, received_ms=NOW_MS, source=Source.WEBHOOK, trace=trace)
    assert decode(value, now_ms=0) == Stored(body, NOW_MS, Source.WEBHOOK, trace)
    assert codec.decode_header(value) == (NOW_MS, Source.WEBHOOK)


def test_a_trace_costs_its_own_bytes_and_an_event_without_one_nothing() -> None:
    plain = encode(b"{}" * 99, received_ms=NOW_MS, source=Source.WEBHOOK)
    traced = encode(b"{}" * 99, received_ms=NOW_MS, source=Source.WEBHOOK, trace=b"t" * codec.TRACE_BYTES)
    assert traced == b"\x03" + plain[1:15] + b"t" * codec.TRACE_BYTES + plain[15:]
    assert plain[:1] == b"\x02"


@pytest.mark.parametrize("version", [max(codec.READABLE) + 1, 31])
def test_a_newer_version_is_not_read(version: int) -> None:
    value = bytes((version,)) + encode(b"{}", received_ms=NOW_MS, source=Source.WEBHOOK)[1:]
    assert decode(value, now_ms=NOW_MS) is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x01",
        b"\x02",
        b'{"id": "evt_1"}',
        b"\x00" * 40,
        b"\x01?1760000000123={}",
        b"\x01w176000000012x={}",
        b"\x01w1760000000123z{}",
        b"\x01w1760000000123anot deflated",
        b"\x02w1760000000123bnot compressed",
        b"\x02w1760000000123b",
        b"\x03w1760000000123" + b"t" * 23,
        encode(b"{}" * 99, received_ms=NOW_MS, source=Source.WEBHOOK)[:-3],
    ],
)
def test_what_we_never_wrote_is_handed_on_whole(value: bytes) -> None:
    assert decode(value, now_ms=NOW_MS) == Stored(value, NOW_MS, Source.WEBHOOK)


def test_what_version_1_wrote_is_read() -> None:
    dictionary = resources.files("cogento.queue").joinpath("dictionaries/a.txt").read_bytes()
    deflating = zlib.compressobj(zdict=dictionary)
    value = b"\x01w1760000000123a" + deflating.compress(b"{}" * 99) + deflating.flush()
    assert decode(value, now_ms=0) == Stored(b"{}" * 99, NOW_MS, Source.WEBHOOK)
    assert decode(b"\x01w1760000000123={}", now_ms=0) == Stored(b"{}", NOW_MS, Source.WEBHOOK)


def test_threads_do_not_share_what_compresses() -> None:
    bodies = [event_body("customer.updated", customer(name=f"Ada {number}")) for number in range(200)]

    def there_and_back(body: bytes) -> bytes:
        stored = decode(encode(body, received_ms=NOW_MS, source=Source.WEBHOOK), now_ms=0)
        return stored.body if stored else b""

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(there_and_back, bodies)) == bodies


def test_a_value_that_unfolds_without_end_is_handed_on_folded() -> None:
    head = encode(b"", received_ms=NOW_MS, source=Source.WEBHOOK)[: codec.HEADER_BYTES]
    bomb = head + codec.ZSTANDARD + codec._zstandard.compress(b"0" * (codec.MAX_DECODED_BYTES + 1))
    assert decode(bomb, now_ms=NOW_MS) == Stored(bomb, NOW_MS, Source.WEBHOOK)


def stored(**fields: object) -> bytes:
    body = json.dumps({"id": "evt_1", "api_version": "v", "data": {"object": {"n": 1}}, **fields}).encode()
    return encode(body, received_ms=NOW_MS, source=Source.WEBHOOK)


@pytest.mark.parametrize(
    "fields",
    [
        {"pending_webhooks": 3},
        {"api_version": "w", "data": {"object": {"m": 1}}},
        {"request": {"id": None}},
    ],
)
def test_renderings_of_one_event_say_the_same(fields: dict[str, object]) -> None:
    assert same_content(stored(), stored(**fields))


def test_layout_and_order_of_keys_say_nothing() -> None:
    pretty = b'{"data": {\n  "object": {"n": 1}}, "api_version": "v"}'
    assert same_content(stored(), encode(pretty, received_ms=0, source=Source.SEND))


@pytest.mark.parametrize("other", [stored(data={"object": {"n": 2}}), b"garbage", b"\x03newer"])
def test_other_content_does_not_say_the_same(other: bytes) -> None:
    assert not same_content(other, stored())
