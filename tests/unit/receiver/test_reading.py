"""What must hold before a body is read. The server's own part is tests/integration's."""

from __future__ import annotations

import io
from typing import Any

import pytest

from events.errors import RejectedError
from receiver.answers import HTTP_STATUS
from receiver.reading import MAX_BODY_BYTES, read_body
from tests.unit.receiver.fakes import no_limit, no_time_left


class BrokenConnection(io.BytesIO):
    def read(self, _size: int | None = -1, /) -> bytes:
        raise ConnectionResetError


def environ(body: bytes = b"{}", **changes: Any) -> dict[str, Any]:
    usual = {
        "CONTENT_TYPE": "application/json; charset=utf-8",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    return {**usual, **changes}


def refusal_of(environ_: dict[str, Any]) -> tuple[int, str]:
    with pytest.raises(RejectedError) as caught:
        read_body(environ_, time_limit=no_limit)
    return HTTP_STATUS[caught.value.code].value, caught.value.code


def test_a_body_is_read_exactly() -> None:
    assert read_body(environ(b'{"a": 1}'), time_limit=no_limit) == b'{"a": 1}'


def test_bytes_behind_the_announced_length_are_left_alone() -> None:
    assert read_body(environ(b"{}POST /", CONTENT_LENGTH="2"), time_limit=no_limit) == b"{}"


def test_the_longest_body_is_read() -> None:
    body = b" " * MAX_BODY_BYTES
    assert read_body(environ(body), time_limit=no_limit) == body


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'Application/JSON; charset="utf-8"',
        "application/json; version=1",
    ],
)
def test_json_in_utf_8_is_read_however_it_is_called(content_type: str) -> None:
    assert read_body(environ(CONTENT_TYPE=content_type), time_limit=no_limit) == b"{}"


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("", id="B3-none"),
        pytest.param("text/plain", id="B3-text"),
        pytest.param("application/x-www-form-urlencoded", id="B3-form"),
        pytest.param("multipart/form-data; boundary=x", id="B3-multipart"),
        pytest.param("application/jsonp", id="B3-another-with-the-same-start"),
        pytest.param("application/json; charset=utf-16", id="B4"),
        pytest.param("application/json; charset = utf-16", id="B4-spaces"),
        pytest.param("application/json; charset=utf-8; charset=utf-16", id="B4-two"),
    ],
)
def test_other_content_is_refused(content_type: str) -> None:
    assert refusal_of(environ(CONTENT_TYPE=content_type)) == (415, "media_type_unsupported")


@pytest.mark.parametrize("encoding", ["gzip", "identity", ""])
def test_an_encoded_body_is_refused(encoding: str) -> None:
    assert refusal_of(environ(HTTP_CONTENT_ENCODING=encoding)) == (415, "encoding_unsupported")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        pytest.param({"HTTP_TRANSFER_ENCODING": "chunked"}, (411, "length_required"), id="B6-chunked"),
        pytest.param({"CONTENT_LENGTH": ""}, (411, "length_required"), id="B8-no-length"),
        pytest.param({"CONTENT_LENGTH": "100000000"}, (413, "body_too_large"), id="B9"),
        pytest.param({"CONTENT_LENGTH": "1048577"}, (413, "body_too_large"), id="B10"),
        pytest.param({"CONTENT_LENGTH": "9" * 5000}, (413, "body_too_large"), id="B10-absurd"),
        pytest.param({"CONTENT_LENGTH": "-1"}, (400, "bad_request"), id="B12-negative"),
        pytest.param({"CONTENT_LENGTH": "+2"}, (400, "bad_request"), id="B12-plus"),
        pytest.param({"CONTENT_LENGTH": "1e3"}, (400, "bad_request"), id="B12-exponent"),
        pytest.param({"CONTENT_LENGTH": "\u00b2"}, (400, "bad_request"), id="B12-superscript"),
        pytest.param({"CONTENT_LENGTH": "50"}, (400, "body_incomplete"), id="B14-short-body"),
        pytest.param({"wsgi.input": BrokenConnection()}, (400, "body_incomplete"), id="F3-disconnected"),
    ],
)
def test_a_body_that_is_not_what_was_announced_is_refused(
    changes: dict[str, Any], refusal: tuple[int, str]
) -> None:
    assert refusal_of(environ(**changes)) == refusal


def test_a_body_that_takes_too_long_is_refused() -> None:
    with pytest.raises(RejectedError) as caught:
        read_body(environ(), time_limit=no_time_left)
    assert caught.value.code == "body_too_slow"


@pytest.mark.parametrize("changes", [{"CONTENT_TYPE": "text/plain"}, {"CONTENT_LENGTH": "1048577"}])
def test_nothing_is_read_of_what_is_refused(changes: dict[str, str]) -> None:
    body = io.BytesIO(b"{}")
    refusal_of({**environ(), "wsgi.input": body, **changes})
    assert body.tell() == 0
