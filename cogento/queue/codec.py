"""How one event is stored: a short header that Lua can read, then the body, compressed where that helps.

    version (1) · source (1) · received_ms (13 digits) · in version 3 a trace (24) · codec (1) · body

Lua reads received_ms, and compares everything after it, to tell a plain repetition from other content under the same id. Version
3 is written for events that are traced (docs/tracing.md), and for no others. A dictionary is never changed once events were
stored with it: a better one gets a new letter and a new version. Version 1 knew deflate, version 2 adds Zstandard
(docs/decisions/0015), version 3 the trace (docs/decisions/0054). Knows nothing of Redis.
"""

from __future__ import annotations

import threading
import zlib
from importlib import resources
from typing import Any, NamedTuple

import msgspec
import zstandard

from cogento.events.outcomes import Source

VERSION = 2
TRACED_VERSION = 3
READABLE = frozenset({1, 2, 3})
"""A version is best made readable one release before it is written: then no worker ever has to park its events."""
HEADER_BYTES = 15
TRACE_BYTES = 24
PLAIN = b"="
DEFLATED = b"a"
ZSTANDARD = b"b"
LEVEL = 3
SMALL_BYTES = 64 * 1024
MAX_EXPANSION_RATIO = 8  # times, for a body that is not small
MAX_DECODED_BYTES = 64 * 1024**2  # a hand-made value must not expand to fill the worker's memory

_NEWER_VERSIONS = range(max(READABLE) + 1, 32)  # control characters: no hand-written value starts with one
_LETTERS = {
    Source.WEBHOOK: b"w",
    Source.RETRY: b"r",
    Source.SWEEP: b"s",
    Source.FETCH: b"f",
    Source.VERIFY: b"v",
    Source.BACKFILL: b"b",
    Source.SEND: b"n",
    Source.FORGET: b"o",
}
_SOURCES = {letter: source for source, letter in _LETTERS.items()}
_DICTIONARY = resources.files(__package__).joinpath("dictionaries/a.txt").read_bytes()
_DIGESTED = zstandard.ZstdCompressionDict(_DICTIONARY, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
_DIGESTED.precompute_compress(level=LEVEL)


class _Zstandard(threading.local):
    """A thread's own: these objects must not be used by two threads at once."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(dict_data=_DIGESTED).compress
        self.decompress = zstandard.ZstdDecompressor(dict_data=_DIGESTED).decompress


_zstandard = _Zstandard()


class Stored(msgspec.Struct, frozen=True):
    """An event as it was put; `trace` is empty for one that is not traced."""

    body: bytes
    received_ms: int
    source: Source
    trace: bytes = b""


class Header(NamedTuple):
    """When and how an event came to us."""

    received_ms: int
    source: Source


class _Content(msgspec.Struct):
    data: Any
    api_version: Any = None


def encode(body: bytes, *, received_ms: int, source: Source, trace: bytes = b"") -> bytes:
    """Return the value to store; `trace` has TRACE_BYTES, or none."""
    version = TRACED_VERSION if trace else VERSION
    head = bytes((version,)) + _LETTERS[source] + b"%013d" % received_ms + trace
    compressed = _zstandard.compress(body)
    # A claim is bounded by the size of stored values, so a large body must not expand to very much more.
    is_worth_it = len(compressed) < len(body) <= max(SMALL_BYTES, MAX_EXPANSION_RATIO * len(compressed))
    return head + (ZSTANDARD + compressed if is_worth_it else PLAIN + body)


def decode(value: bytes, *, now_ms: int) -> Stored | None:
    """Return what was stored, or None when a newer version of this program wrote it.

    A value that no version of it wrote (hand-made, cut short) comes back whole as the body: the worker finds it malformed and
    makes it a dead letter with its bytes.
    """
    if value[:1] and value[0] in _NEWER_VERSIONS:
        return None
    header = decode_header(value)
    if header is None:
        return Stored(value, now_ms, Source.WEBHOOK)
    behind = HEADER_BYTES + TRACE_BYTES if value[0] == TRACED_VERSION else HEADER_BYTES
    try:
        return Stored(_body(value, behind), *header, value[HEADER_BYTES:behind])
    except (ValueError, zlib.error, zstandard.ZstdError):
        return Stored(value, now_ms, Source.WEBHOOK)


def decode_header(value: bytes) -> Header | None:
    """Return what comes before the body, or None where this version of the program did not write it."""
    digits, source = value[2:HEADER_BYTES], _SOURCES.get(value[1:2])
    if not value or value[0] not in READABLE or source is None or not digits.isdigit():
        return None
    return Header(int(digits), source)


def same_content(stored: bytes, value: bytes) -> bool:
    """Tell whether two stored values of one event id agree.

    `pending_webhooks` counts down between deliveries, and each endpoint may have its own api_version, in
    whose shape `data` is written: neither makes the content different.
    """
    first, second = _content(stored), _content(value)
    if first is None or second is None:
        return False
    return bool(first.api_version != second.api_version or first.data == second.data)


def _body(value: bytes, at: int) -> bytes:
    codec, body = value[at : at + 1], value[at + 1 :]
    if codec == ZSTANDARD:
        return _decompress(body)
    if codec == PLAIN:
        return body
    if codec == DEFLATED:
        return _inflate(body)
    raise ValueError("unknown codec")


def _decompress(body: bytes) -> bytes:
    if (
        zstandard.frame_content_size(body) > MAX_DECODED_BYTES
    ):  # its header says how much, and that much memory is allocated
        raise ValueError("too long")
    return _zstandard.decompress(body, allow_extra_data=False)


def _inflate(body: bytes) -> bytes:
    stream = zlib.decompressobj(zdict=_DICTIONARY)
    whole = stream.decompress(body, MAX_DECODED_BYTES)
    if not stream.eof:
        raise ValueError("cut short or too long")
    return whole


def _content(value: bytes) -> _Content | None:
    stored = decode(value, now_ms=0)
    try:
        return None if stored is None else msgspec.json.decode(stored.body, type=_Content)
    except (msgspec.DecodeError, RecursionError):
        return None
