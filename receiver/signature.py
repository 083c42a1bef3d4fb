"""Stripe's signature: who sent this body, and when.

Stricter than Stripe's SDK, which accepts a timestamp from the future, `1_000` as a number and an unlimited list of signatures.
Knows nothing of HTTP, and never says more than which rule was broken.
"""

from __future__ import annotations

import hmac
import re
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

TOLERANCE_SECONDS = 300
MAX_HEADER_LENGTH = 4096
MAX_SIGNATURES = 10

# The header as Stripe sends it outside of a rotation; others are parsed in general, which costs four times as much.
_USUAL = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})(?:,v0=[0-9a-f]{64})?")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


class SignatureErrorReason(StrEnum):
    """Which rule a signature broke: for metrics and alarms, never for the caller."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    NO_MATCH = "no_match"
    TOO_OLD = "too_old"  # signed by Stripe, and before the window: a replay, or our clock is ahead
    TOO_NEW = "too_new"  # signed by Stripe, and after the window: our clock is behind


class SignatureError(Exception):
    """None of our secrets signed the body, or the timestamp is outside the window: then `age_seconds` is its age."""

    def __init__(self, reason: SignatureErrorReason, age_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.age_seconds = age_seconds


class Signed(msgspec.Struct, frozen=True):
    """Which of our secrets signed a body, and how many seconds ago (negative: in our future)."""

    secret_index: int
    age_seconds: float


class _Claim(msgspec.Struct, frozen=True):
    timestamp: str
    signatures: tuple[bytes, ...]


def verify(header: str | None, body: bytes, *, secrets: Sequence[bytes], now: float) -> Signed:
    """Check a `Stripe-Signature` header over the raw body; `now` is in Unix seconds.

    Raises SignatureError. Every secret is compared with every signature, so that the time taken does
    not tell which one matched.
    """
    claim = _read(header)
    signed = f"{claim.timestamp}.".encode() + body
    secret_index = _match(claim, signed, secrets)
    age_seconds = now - int(claim.timestamp)
    if age_seconds > TOLERANCE_SECONDS:
        raise SignatureError(SignatureErrorReason.TOO_OLD, age_seconds)
    if age_seconds < -TOLERANCE_SECONDS:
        raise SignatureError(SignatureErrorReason.TOO_NEW, age_seconds)
    return Signed(secret_index, age_seconds)


def _match(claim: _Claim, signed: bytes, secrets: Sequence[bytes]) -> int:
    matched: int | None = None
    for index, secret in enumerate(secrets):
        expected = hmac.digest(secret, signed, "sha256").hex().encode()
        for signature in claim.signatures:
            if hmac.compare_digest(expected, signature):
                matched = index
    if matched is None:
        raise SignatureError(SignatureErrorReason.NO_MATCH)
    return matched


def _read(header: str | None) -> _Claim:
    if not header:
        raise SignatureError(SignatureErrorReason.MISSING)
    if usual := _USUAL.fullmatch(header):
        return _Claim(usual[1], (usual[2].encode(),))
    return _parse_header(header)


def _parse_header(header: str) -> _Claim:
    if len(header) > MAX_HEADER_LENGTH or not header.isascii():
        raise SignatureError(SignatureErrorReason.UNREADABLE)
    items = [item.partition("=") for item in header.split(",")]
    timestamps = [value for scheme, _, value in items if scheme == "t"]
    # Other schemes are skipped, as Stripe asks, so that nobody can make us fall back to a weaker one.
    signatures = [value for scheme, _, value in items if scheme == "v1"]
    readable = (
        all(scheme and equals and value for scheme, equals, value in items)
        and len(timestamps) == 1
        and 1 <= len(signatures) <= MAX_SIGNATURES
        and _TIMESTAMP.fullmatch(timestamps[0])
        and all(map(_SIGNATURE.fullmatch, signatures))
    )
    if not readable:
        raise SignatureError(SignatureErrorReason.UNREADABLE)
    return _Claim(timestamps[0], tuple(signature.encode() for signature in signatures))
