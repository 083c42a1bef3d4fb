"""The JSON we accept: RFC 8259 without the corners that readers disagree on or that Postgres refuses.

Guards that the parsers lack (UTF-8, depth, long integers, NaN), cheap enough to run on every request,
and the one reader of a whole document. Knows nothing of Stripe.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

MAX_DEPTH = 64
MAX_INTEGER_DIGITS = 19

_BRACKETS = b"{}[]"
_NOT_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))
_AS_PARENTHESES = bytes.maketrans(_BRACKETS, b"()()")
_OUTLINE = bytes.maketrans(b"0123456789[", b"9" * 10 + b"{")
_MANY_NINES = b"9" * (MAX_INTEGER_DIGITS + 1)
_BEFORE_NUMBER = frozenset({b"", *(bytes([byte]) for byte in b" \t\r\n:,[-")})

# Without escaped quotes. Possessive, and an unclosed string reaches to the end: linear time on any input.
_STRING = re.compile(rb'"[^"]*+(?:"|\Z)')
_LONG_INTEGER = re.compile(rb"(?<![\d.eE+-])-?\d{%d,}+(?![\d.eE])" % (MAX_INTEGER_DIGITS + 1))
_UNSAFE_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class NotStrictJsonError(ValueError):
    """The bytes are not one strict JSON object; the message says why and quotes nothing of them."""


def check(body: bytes) -> None:
    """Refuse what a correct JSON parser would accept; the syntax itself is left to the parser."""
    _check_encoding(body)
    outline = body.translate(_OUTLINE)  # for both: every digit a nine, every opening bracket a brace
    _check_depth(body, outline)
    _check_integers(body, outline)


def read(body: bytes) -> dict[str, Any]:
    """Read a whole document whose top level is an object; of equal keys the last one counts.

    Strings come out safe for Postgres: NUL and lone surrogates become U+FFFD, also in keys.
    """
    check(body)
    document = _decode(body)
    if not isinstance(document, dict):
        raise NotStrictJsonError("the top level is not an object")
    return safe_json(document) if has_unsafe_text(body) else document


def read_loosely(body: bytes) -> dict[str, Any]:
    """Read a document that `check` may refuse, for its strings; every number becomes None."""
    document = _decode_by(_LOOSE, body)
    if not isinstance(document, dict):
        raise NotStrictJsonError("the top level is not an object")
    return document


def has_unsafe_text(body: bytes) -> bool:
    """Tell whether a string of a checked body may have to be made safe for Postgres."""
    return b"\\" in body and _UNSAFE_ESCAPE.search(body) is not None


def _decode(body: bytes) -> Any:
    """Decode quickly; what the quick decoder refuses (lone surrogates, 1e400) the slow one decides on."""
    try:
        return _QUICK.decode(body)
    except msgspec.DecodeError:
        return _decode_by(_SLOW, body)


def _decode_by(decoder: json.JSONDecoder, body: bytes) -> Any:
    try:
        return decoder.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise NotStrictJsonError("the body is not valid JSON") from error


def _check_encoding(body: bytes) -> None:
    if body.isascii():
        return
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotStrictJsonError("the body is not UTF-8") from error


def _check_depth(body: bytes, outline: bytes) -> None:
    if outline.count(b"{") <= MAX_DEPTH:
        return
    nesting = _without_strings(body).translate(_AS_PARENTHESES, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):  # each pass removes the innermost pairs: one level less
        nesting = nesting.replace(b"()", b"")
    if nesting:
        raise NotStrictJsonError(
            f"the body nests deeper than {MAX_DEPTH} levels, or its brackets do not match"
        )


def _check_integers(body: bytes, outline: bytes) -> None:
    if _may_hold_long_integer(body, outline) and _LONG_INTEGER.search(_without_strings(body)):
        raise NotStrictJsonError(f"the body has an integer of more than {MAX_INTEGER_DIGITS} digits")


def _without_strings(body: bytes) -> bytes:
    """Empty every string. A backslash outside of a string makes the parser fail, so its treatment here does not matter."""
    return _STRING.sub(b'""', body.replace(rb"\\", b"").replace(rb"\"", b""))


def _may_hold_long_integer(body: bytes, outline: bytes) -> bool:
    """Look for long runs of digits where a number can start; an id's run follows a letter, `_` or a quote."""
    start = outline.find(_MANY_NINES)
    while start >= 0 and body[start - 1 : start] not in _BEFORE_NUMBER:
        start = outline.find(_MANY_NINES, start + len(_MANY_NINES))
    return start >= 0


def _refuse_constant(name: str) -> None:
    raise NotStrictJsonError(f"{name} is no JSON number")


def _skip(_number: str) -> None:
    """Skip a number: reading a very long one takes time."""


_QUICK = msgspec.json.Decoder()
_SLOW = json.JSONDecoder(parse_constant=_refuse_constant)
_LOOSE = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_skip, parse_float=_skip)


REPLACEMENT = "\ufffd"

_SORTED = msgspec.json.Encoder(order="sorted")
_UNSAFE = re.compile("[\x00\ud800-\udfff]")


def safe_text(text: str) -> str:
    """Replace NUL and lone surrogates by U+FFFD; everything else stays as it is."""
    return _UNSAFE.sub(REPLACEMENT, text)


def safe_json(value: Any) -> Any:
    """Make every string of a decoded JSON value safe, keys included; of keys that become equal the last one counts."""
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, list):
        return [safe_json(item) for item in value]
    if isinstance(value, dict):
        return {safe_text(key): safe_json(item) for key, item in value.items()}
    return value


def canonical_json(value: Any) -> str:
    """Write a decoded JSON value with sorted keys and no spaces; raises ValueError for an infinite number."""
    text = _SORTED.encode(value).decode()
    if "null" in text and not _is_finite(value):  # msgspec writes null for an infinite number
        raise ValueError("JSON cannot write an infinite number")
    return text


_MAY_BE_INFINITE = frozenset({float, dict, list})


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(_is_finite(one) for one in inner if type(one) in _MAY_BE_INFINITE)
