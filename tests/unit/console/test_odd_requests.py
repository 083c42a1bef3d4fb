"""Whatever a browser, or another client, asks of the console: never an internal error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.support.console_routes import filled, rules
from tests.support.fake_console import FakeDeadLetters, fake_console, kept
from tests.unit.console.test_pages import BUSY

if TYPE_CHECKING:
    from flask import Flask


odd_bytes = st.binary(max_size=20) | st.sampled_from(
    [
        b"",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"%",
        b"..",
        b"/",
        b"//",
        b"1",
        b"-1",
        b"9" * 30,
        b"9" * 5000,
        b"<script>",
    ]
)
odd = odd_bytes.map(quote_from_bytes)


def make() -> Flask:
    return fake_console(BUSY, dead_letters=FakeDeadLetters([kept(1)]), metrics_token="token")


APP = make()


def ask(method: str, address: str, **more: Any) -> tuple[int, str]:
    answer = APP.test_client().open(address, method=method, base_url="http://localhost", **more)
    return answer.status_code, answer.get_data(as_text=True)


@pytest.mark.parametrize("rule", rules("GET"))
@examples(max_examples=25)
@given(piece=odd, name=odd, value=odd)
def test_a4_any_page_asked_for_anything_answers_in_words(
    rule: str, piece: str, name: str, value: str
) -> None:
    address = f"{filled(rule, piece)[-1]}?id={value}&fingerprint={value}&{name}={value}"
    status, text = ask("GET", address)
    assert status in {200, 302, 308, 400, 404, 409}
    assert "Traceback" not in text


@examples(max_examples=50)
@given(path=odd, query=odd)
def test_a4_any_address_answers_in_words(path: str, query: str) -> None:
    status, text = ask("GET", f"/{path}?{query}")
    assert status in {200, 302, 308, 400, 404}
    assert "Traceback" not in text


@pytest.mark.parametrize("rule", rules("POST"))
@examples(max_examples=25)
@given(
    piece=odd,
    body=odd_bytes,
    token=odd_bytes,
    content_type=st.sampled_from(
        [
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "application/json",
            "",
        ]
    ),
)
def test_a4_any_form_sent_with_anything_answers_in_words(
    rule: str, piece: str, body: bytes, token: bytes, content_type: str
) -> None:
    data = b"token=" + token + b"&why=" + body
    status, text = ask("POST", filled(rule, piece)[-1], data=data, content_type=content_type)
    assert status in {308, 400, 403, 404, 405, 413}
    assert "Traceback" not in text


@examples(max_examples=50)
@given(
    name=st.sampled_from(["Host", "Origin", "Sec-Fetch-Site", "Cookie", "Authorization", "X-Forwarded-For"]),
    value=st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=30)
    | st.sampled_from(["[::1", "localhost:x", "localhost:99999", "a" * 5000, "http://[", "Bearer \xff"]),
    address=st.sampled_from(["/console", "/metrics", "/console/letters/1/retry"]),
    method=st.sampled_from(["GET", "POST"]),
)
def test_a4_any_header_is_answered_in_words(name: str, value: str, address: str, method: str) -> None:
    status, text = ask(method, address, headers={name: value})
    assert status < 500
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "host", ["a..b", "a" * 5000, ".", "[::1", "[x]", "a@[", "localhost:x", "\xff", "evil.example"]
)
def test_a4_a_name_that_is_no_host_s_is_refused_and_no_mistake_of_ours(host: str) -> None:
    status, text = ask("GET", "/console", headers={"Host": host})
    assert status == 400
    assert "CONSOLE_HOSTS" in text


@pytest.mark.parametrize(
    "origin", ["A://[", "http://[x]", "", "null", "localhost", "http://localhost@evil.example", "\xff"]
)
def test_a4_an_origin_that_is_no_address_is_another_site_s(origin: str) -> None:
    status, _ = ask("POST", "/console/letters/1/retry", headers={"Origin": origin})
    assert status == 403
