"""Signatures, and rows B24 to B40 of docs/bad-inputs.md, on the function alone."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from stripe import WebhookSignature

from receiver.signature import SignatureError, SignatureErrorReason, verify
from tests.support.builders import NOW, SECRET, signature, signed_header

if TYPE_CHECKING:
    from collections.abc import Sequence

OTHER_SECRET = "whsec_fedcba9876543210fedcba9876543210"
BODY = b'{"id": "evt_1"}'
GOOD = signature(BODY, timestamp=NOW)

bodies = st.binary(max_size=400)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
header_texts = st.text(alphabet="tv01=, abcdef9_+-\u00e9", max_size=120)


def check(
    header: str | None, *, body: bytes = BODY, now: float = NOW, secrets: Sequence[str] = (SECRET,)
) -> int:
    return verify(header, body, secrets=[secret.encode() for secret in secrets], now=now).secret_index


def flaw_of(
    header: str | None, *, body: bytes = BODY, now: float = NOW, secrets: Sequence[str] = (SECRET,)
) -> SignatureErrorReason:
    with pytest.raises(SignatureError) as caught:
        check(header, body=body, now=now, secrets=secrets)
    return caught.value.reason


@given(body=texts)
def test_headers_of_stripes_own_generator_are_accepted(body: str) -> None:
    header = WebhookSignature.generate_signature_header(body, SECRET, NOW)
    assert check(header, body=body.encode()) == 0


@given(header=header_texts | header_texts.map(lambda text: f"t={NOW},v1={GOOD}{text}"))
@example(f"t={NOW},v1={GOOD},v0={GOOD}")
def test_whatever_we_accept_stripes_sdk_accepts_too(header: str) -> None:
    with contextlib.suppress(SignatureError):
        check(header)
        assert WebhookSignature.verify_header(BODY, header, SECRET, tolerance=None)


@given(header=st.text(max_size=300) | st.none(), body=bodies)
def test_no_header_makes_it_raise_anything_else(header: str | None, body: bytes) -> None:
    with contextlib.suppress(SignatureError):
        check(header, body=body)


@given(body=st.binary(min_size=1, max_size=200), place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_one_flipped_bit_in_the_body_is_refused(body: bytes, place: int, bit: int) -> None:
    changed = bytearray(body)
    changed[place % len(body)] ^= 1 << bit
    assert flaw_of(signed_header(body, timestamp=NOW), body=bytes(changed)) is SignatureErrorReason.NO_MATCH


@given(place=st.integers(0, 63), digit=st.sampled_from("0123456789abcdef"))
def test_one_changed_digit_of_the_signature_is_refused(place: int, digit: str) -> None:
    assume(GOOD[place] != digit)
    changed = GOOD[:place] + digit + GOOD[place + 1 :]
    assert flaw_of(f"t={NOW},v1={changed}") is SignatureErrorReason.NO_MATCH


@given(shift=st.integers(-300, 300).filter(bool))
def test_a_changed_timestamp_is_refused(shift: int) -> None:
    assert flaw_of(f"t={NOW + shift},v1={GOOD}") is SignatureErrorReason.NO_MATCH


@given(
    secrets=st.lists(st.text("abcdef", min_size=32, max_size=40), min_size=1, max_size=3, unique=True),
    data=st.data(),
)
def test_the_place_of_the_secret_that_signed_is_told(secrets: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(secrets) - 1))
    header = signed_header(BODY, timestamp=NOW, secret=secrets[index])
    assert check(header, secrets=secrets) == index


@pytest.mark.parametrize("age", [-300, -299, 0, 299, 300])
def test_a_signature_within_five_minutes_either_side_is_accepted(age: int) -> None:
    assert check(signed_header(BODY, timestamp=NOW - age)) == 0


@pytest.mark.parametrize(
    ("age", "flaw"),
    [
        pytest.param(301, SignatureErrorReason.TOO_OLD, id="B33-301-s-old"),
        pytest.param(86_400, SignatureErrorReason.TOO_OLD, id="B39-replayed-next-day"),
        pytest.param(-301, SignatureErrorReason.TOO_NEW, id="B34-301-s-ahead"),
        pytest.param(-315_360_000, SignatureErrorReason.TOO_NEW, id="B34-ten-years-ahead"),
    ],
)
def test_a_signature_outside_the_window_is_refused(age: int, flaw: SignatureErrorReason) -> None:
    assert flaw_of(signed_header(BODY, timestamp=NOW - age)) is flaw


def test_the_window_is_told_only_of_a_signature_that_is_right() -> None:
    header = signed_header(BODY, timestamp=NOW - 10_000, secret=OTHER_SECRET)
    assert flaw_of(header) is SignatureErrorReason.NO_MATCH


def test_the_age_is_told() -> None:
    header = signed_header(BODY, timestamp=NOW - 7)
    assert verify(header, BODY, secrets=[SECRET.encode()], now=NOW + 0.5).age_seconds == 7.5


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(f"t={NOW},v1={'0' * 64},v1={GOOD}", id="second-of-two-signatures"),
        pytest.param(f"v1={GOOD},t={NOW}", id="any-order"),
        pytest.param(f"t={NOW},v0={'0' * 64},v9=x,v1={GOOD}", id="unknown-schemes-skipped"),
        pytest.param(f"t={NOW}" + f",v1={'0' * 64}" * 9 + f",v1={GOOD}", id="ten-signatures"),
    ],
)
def test_a_good_signature_is_found_among_others(header: str) -> None:
    assert check(header) == 0


@pytest.mark.parametrize("header", [None, ""])
def test_a_missing_header_is_refused(header: str | None) -> None:
    assert flaw_of(header) is SignatureErrorReason.MISSING


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(f"t={NOW},v1={GOOD},t={NOW},v1={GOOD}", id="B24-two-headers-joined"),
        pytest.param(f"t={NOW},v0={GOOD}", id="B25-only-v0"),
        pytest.param(f"t={NOW},v9={GOOD}", id="B25-unknown-scheme"),
        pytest.param(f"t={NOW},v1={GOOD.upper()}", id="B29-upper-case"),
        pytest.param(f"t={NOW},v1= {GOOD}", id="B29-space"),
        pytest.param(f"t={NOW}, v1={GOOD}", id="B29-space-before"),
        pytest.param(f"t={NOW},v1={GOOD[:63]}", id="B29-63"),
        pytest.param(f"t={NOW},v1={GOOD}0", id="B29-65"),
        pytest.param(f"t={NOW},v1={GOOD}\n", id="B29-newline"),
        pytest.param(f"t={NOW},v1=qL0p3k7lJ0bGk0y2m0l9b3d5f7h9k1n3p5r7t9v1x3z=", id="B29-base64"),
        pytest.param(f"t={NOW},v1=\u00e9", id="B30-alone"),
        pytest.param(f"t={NOW},v1=\u00e9,v1={GOOD}", id="B30-before-a-good-one"),
        pytest.param(f"t={NOW}" + f",v1={GOOD}" * 11, id="B31-eleven"),
        pytest.param(f"t={NOW}" + f",v1={GOOD}" * 1000, id="B31-thousand"),
        pytest.param(f"v1={GOOD}", id="B32-missing"),
        pytest.param(f"t={NOW},t={NOW},v1={GOOD}", id="B32-twice"),
        pytest.param(f"t=,v1={GOOD}", id="B32-empty"),
        pytest.param(f"t=abc,v1={GOOD}", id="B32-letters"),
        pytest.param(f"t=1_760_000_000,v1={GOOD}", id="B32-underscores"),
        pytest.param(f"t=+{NOW},v1={GOOD}", id="B32-plus"),
        pytest.param(f"t= {NOW},v1={GOOD}", id="B32-space"),
        pytest.param(f"t=\u0661\u0667,v1={GOOD}", id="B32-arabic-digits"),
        pytest.param(f"t=\u00b2,v1={GOOD}", id="B32-superscript"),
        pytest.param(f"t={'1' * 13},v1={GOOD}", id="B32-13-digits"),
        pytest.param(f"t={'1' * 5000},v1={GOOD}", id="B32-5000-digits"),
        pytest.param(f"t=-{NOW},v1={GOOD}", id="B32-negative"),
        pytest.param(f"t=1e9,v1={GOOD}", id="B32-exponent"),
        pytest.param(f"t=0x68e7,v1={GOOD}", id="B32-hexadecimal"),
        pytest.param(str(NOW), id="B40-no-comma"),
        pytest.param(f"t={NOW},v1", id="B40-no-equals"),
        pytest.param(f"t={NOW},v1={GOOD},", id="B40-trailing-comma"),
        pytest.param(",,,", id="B40-commas"),
        pytest.param("t=1,v1=", id="B40-empty-signature"),
        pytest.param(f"t={NOW},={GOOD},v1={GOOD}", id="B40-no-scheme"),
    ],
)
def test_a_header_that_breaks_the_rules_is_refused_whole(header: str) -> None:
    assert flaw_of(header) is SignatureErrorReason.UNREADABLE


@pytest.mark.parametrize(
    "secret", [pytest.param(OTHER_SECRET, id="B27-other-secret"), pytest.param("", id="B36-empty-key")]
)
def test_a_signature_by_another_secret_is_refused(secret: str) -> None:
    assert flaw_of(signed_header(BODY, timestamp=NOW, secret=secret)) is SignatureErrorReason.NO_MATCH


def test_the_sdk_takes_a_timestamp_in_the_future_and_we_do_not() -> None:
    ahead = signed_header(BODY, timestamp=NOW * 2)
    assert WebhookSignature.verify_header(BODY, ahead, SECRET, tolerance=300)
    assert flaw_of(ahead) is SignatureErrorReason.TOO_NEW
