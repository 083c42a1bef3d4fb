"""Which JSON we accept: one strict reading, for any input in linear time."""

from __future__ import annotations

import pytest

from cogento.events import strict_json
from cogento.events.strict_json import MAX_DEPTH, NotStrictJsonError


def nested(depth: int) -> bytes:
    """A document of `depth` levels, the top-level object included."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="array"),
        pytest.param(b'"x"', id="string"),
        pytest.param(b"1", id="number"),
        pytest.param(b"null", id="null"),
        pytest.param(b"true", id="true"),
        pytest.param(b'{"a":1', id="truncated"),
        pytest.param(b'{"a":1} x', id="trailing rubbish"),
        pytest.param(b'{"a":1}{"a":1}', id="two documents"),
        pytest.param(b'{"a":1/* one */}', id="comment"),
        pytest.param(b"{'a':1}", id="single quotes"),
        pytest.param(b'{"a":1,}', id="trailing comma"),
        pytest.param(b'{"a":"\n"}', id="raw control character"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param("{}".encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"a":"\xff\xfe"}', id="not UTF-8"),
        pytest.param(b'{"a":"\xc0\x80"}', id="overlong NUL"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', id="encoded surrogate"),
        pytest.param(b'{"a":NaN}', id="NaN"),
        pytest.param(b'{"a":Infinity}', id="Infinity"),
        pytest.param(b'{"a":-Infinity}', id="-Infinity"),
        pytest.param(nested(MAX_DEPTH + 1), id="one level too deep"),
        pytest.param(nested(1_000), id="1,000 levels"),
        pytest.param(nested(100_000), id="100,000 levels"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="100,000 objects"),
        pytest.param(b"[" * 1_000_000, id="only opening brackets"),
        pytest.param(b'{"a":"' + b"{" * 100 + b'\\"' * 500_000, id="unclosed string full of escapes"),
        pytest.param(b'{"a":' + b"9" * 20 + b"}", id="20 digits"),
        pytest.param(b'{"a":-' + b"9" * 5_000 + b"}", id="5,000 digits"),
        pytest.param(b'{"a":' + b"9" * 1_000_000 + b"}", id="1,000,000 digits"),
    ],
)
@pytest.mark.timeout(10)
def test_refuses(body: bytes) -> None:
    with pytest.raises(NotStrictJsonError):
        strict_json.read(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(nested(MAX_DEPTH), id="as deep as allowed"),
        pytest.param(b'{"a":"' + b"[{" * 500 + b'\\""}', id="brackets in a string"),
        pytest.param(b'{"a":"\\\\","b":"' + b"[" * 100 + b'"}', id="a string that ends in a backslash"),
        pytest.param(b'{"a":[' + b"{}," * 100 + b"{}]}", id="many shallow objects"),
        pytest.param(b'{"a":[' + b"{}," * 350_000 + b"{}]}", id="1 MB of shallow objects"),
        pytest.param(b'{"a":' + b"9" * 19 + b"}", id="19 digits"),
        pytest.param(b'{"a":"' + b"9" * 30 + b'"}', id="30 digits in a string"),
        pytest.param(b'{"a":0.' + b"1" * 30 + b"}", id="30 digits of a fraction"),
        pytest.param(b'{"a":1e400}', id="a number no double can hold"),
        pytest.param(b' \r\n\t{"a":"\xc3\xa9"}\n', id="white space around"),
    ],
)
@pytest.mark.timeout(10)
def test_accepts(body: bytes) -> None:
    assert "a" in strict_json.read(body)


def test_of_equal_keys_the_last_one_counts() -> None:
    assert strict_json.read(b'{"a":{"b":1,"b":2},"\\u0061":{"b":3}}') == {"a": {"b": 3}}


@pytest.mark.parametrize("escape", [b"\\u0000", b"\\ud800", b"\\uDFFF"])
def test_text_comes_out_safe_for_postgres_in_keys_too(escape: bytes) -> None:
    assert strict_json.read(b'{"x%s":["%s"]}' % (escape, escape)) == {"x\ufffd": ["\ufffd"]}


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert strict_json.read(b'{"a":"\\\\u0000"}') == {"a": "\\u0000"}


def test_a_pair_of_surrogates_stays_one_character() -> None:
    assert strict_json.read(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_the_message_quotes_nothing_of_the_body() -> None:
    with pytest.raises(NotStrictJsonError) as refused:
        strict_json.read(b'{"email":"ada@example.com"')

    assert "ada" not in str(refused.value)
