"""What must hold before a body is read. The server's own part is tests/integration's."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest

from cogento.events.errors import RejectedError
from receiver.answers import HTTP_STATUS
from receiver.reading import MAX_BODY_BYTES, Head, read_body, read_from, read_head

GONE = {"type": "http.disconnect"}


def headers(**changes: bytes | None) -> list[tuple[bytes, bytes]]:
    """The usual headers with some replaced; None removes one."""
    usual = {"content_type": b"application/json; charset=utf-8", "content_length": b"2", **changes}
    return [(name.replace("_", "-").encode(), value) for name, value in usual.items() if value is not None]


def refusal_of_head(*more: tuple[bytes, bytes], **changes: bytes | None) -> tuple[int, str]:
    with pytest.raises(RejectedError) as caught:
        read_head([*headers(**changes), *more])
    return HTTP_STATUS[caught.value.code].value, caught.value.code


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def read(*messages: dict[str, Any], length: int) -> bytes:
    """Read a body that comes in these messages."""
    coming = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(coming)

    return asyncio.run(read_body(length, receive))


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/json",
        b"application/json; charset=utf-8",
        b"application/json;charset=UTF-8",
        b'Application/JSON; charset="utf-8"',
        b"application/json; version=1",
    ],
)
def test_json_in_utf_8_is_read_however_it_is_called(content_type: bytes) -> None:
    assert read_head(headers(content_type=content_type)) == Head(2, None)


def test_the_signature_is_taken_as_it_is() -> None:
    assert read_head(headers(stripe_signature=b"t=1,v1=\xe9")) == Head(2, "t=1,v1=\u00e9")


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param(None, id="B3-none"),
        pytest.param(b"text/plain", id="B3-text"),
        pytest.param(b"application/x-www-form-urlencoded", id="B3-form"),
        pytest.param(b"multipart/form-data; boundary=x", id="B3-multipart"),
        pytest.param(b"application/jsonp", id="B3-another-with-the-same-start"),
        pytest.param(b"application/json; charset=utf-16", id="B4"),
        pytest.param(b"application/json; charset = utf-16", id="B4-spaces"),
        pytest.param(b"application/json; charset=utf-8; charset=utf-16", id="B4-two"),
    ],
)
def test_other_content_is_refused(content_type: bytes | None) -> None:
    assert refusal_of_head(content_type=content_type) == (415, "media_type_unsupported")


@pytest.mark.parametrize("encoding", [b"gzip", b"identity", b""])
def test_an_encoded_body_is_refused(encoding: bytes) -> None:
    assert refusal_of_head(content_encoding=encoding) == (415, "encoding_unsupported")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        pytest.param({"transfer_encoding": b"chunked"}, (400, "bad_request"), id="B13-both"),
        pytest.param(
            {"transfer_encoding": b"gzip, chunked", "content_length": None},
            (415, "encoding_unsupported"),
            id="B6-two-codings",
        ),
        pytest.param(
            {"transfer_encoding": b"identity", "content_length": None},
            (415, "encoding_unsupported"),
            id="B6-other-coding",
        ),
        pytest.param({"content_length": None}, (411, "length_required"), id="B8-no-length"),
        pytest.param({"content_length": b"100000000"}, (413, "body_too_large"), id="B9"),
        pytest.param({"content_length": b"%d" % (MAX_BODY_BYTES + 1)}, (413, "body_too_large"), id="B10"),
        pytest.param({"content_length": b"9" * 5000}, (413, "body_too_large"), id="B10-absurd"),
        pytest.param({"content_length": b"-1"}, (400, "bad_request"), id="B12-negative"),
        pytest.param({"content_length": b"+2"}, (400, "bad_request"), id="B12-plus"),
        pytest.param({"content_length": b"1e3"}, (400, "bad_request"), id="B12-exponent"),
        pytest.param({"content_length": b"\xb2"}, (400, "bad_request"), id="B12-superscript"),
    ],
)
def test_a_length_that_is_none_is_refused(changes: dict[str, bytes | None], refusal: tuple[int, str]) -> None:
    assert refusal_of_head(**changes) == refusal


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param(b"stripe-signature", "signature_invalid", id="B24"),
        pytest.param(b"content-type", "media_type_unsupported", id="B3"),
        pytest.param(b"content-length", "bad_request", id="B12"),
    ],
)
def test_what_may_come_once_is_refused_when_it_comes_twice(name: bytes, code: str) -> None:
    usual = dict(headers(stripe_signature=b"t=1"))
    assert refusal_of_head((name, usual[name]), stripe_signature=b"t=1")[1] == code


def test_other_headers_may_come_twice() -> None:
    assert read_head([*headers(), (b"x-other", b"1"), (b"x-other", b"2")]) == Head(2, None)


def test_a_body_is_read_in_one_piece_or_in_several() -> None:
    assert read(part(b'{"a": 1}'), length=8) == b'{"a": 1}'
    assert read(part(b'{"a"', more=True), part(b": ", more=True), part(b"1}"), length=8) == b'{"a": 1}'


def test_the_longest_body_is_read() -> None:
    body = b" " * MAX_BODY_BYTES
    assert read(part(body[:65_536], more=True), part(body[65_536:]), length=MAX_BODY_BYTES) == body


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([part(b"{}")], id="B14-short-body"),
        pytest.param([part(b"{}", more=True), GONE], id="F3-disconnected"),
        pytest.param([GONE], id="F3-disconnected-at-once"),
    ],
)
def test_a_body_that_is_not_what_was_announced_is_refused(messages: list[dict[str, Any]]) -> None:
    with pytest.raises(RejectedError) as caught:
        read(*messages, length=50)
    assert caught.value.code == "body_incomplete"


def test_a_body_that_takes_too_long_is_refused() -> None:
    async def receive() -> dict[str, Any]:
        raise TimeoutError

    with pytest.raises(RejectedError) as caught:
        asyncio.run(read_body(2, receive))
    assert caught.value.code == "body_too_slow"


class Broken(io.RawIOBase):
    """What a server hands over of a client that has gone."""

    def read(self, _size: int = -1) -> bytes:
        raise OSError


def refusal_of_input(length: int | None, **environ: Any) -> str:
    with pytest.raises(RejectedError) as caught:
        read_from({name.replace("_", ".", 1): value for name, value in environ.items()}, length)
    return caught.value.code


def test_a_wsgi_servers_input_is_read_as_far_as_was_announced() -> None:
    assert read_from({"wsgi.input": io.BytesIO(b"{}and more")}, 2) == b"{}"
    assert read_from({"wsgi.input": io.BytesIO(b"{}"), "wsgi.input_terminated": True}, None) == b"{}"


def test_a_wsgi_servers_input_that_is_short_broken_or_endless_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("receiver.reading.MAX_BODY_BYTES", 5)

    assert refusal_of_input(3, wsgi_input=io.BytesIO(b"{}")) == "body_incomplete"
    assert refusal_of_input(2, wsgi_input=Broken()) == "body_incomplete"
    assert refusal_of_input(None, wsgi_input=io.BytesIO(b"{}")) == "length_required"
    assert (
        refusal_of_input(None, wsgi_input=io.BytesIO(b"123456"), wsgi_input_terminated=True)
        == "body_too_large"
    )
