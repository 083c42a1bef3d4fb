"""Reading a request: what must hold before the first byte of its body is read.

The server has refused what is no HTTP before this runs (ambiguous lengths, long headers), and keeps the time that
reading may take. It would hand over a chunked body of any size, and a body shorter than its Content-Length as if
it were whole.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from events.errors import RejectedError
from receiver.answers import SIGNATURE_INVALID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from receiver.protocol import Receive

MAX_BODY_BYTES = 1_048_576

_TYPE, _LENGTH, _SIGNATURE = b"content-type", b"content-length", b"stripe-signature"
_JSON = b"application/json"
_USUAL_TYPES = frozenset({_JSON, b"application/json; charset=utf-8"})
_UTF8 = (b"utf-8", b"utf8")


class Head(NamedTuple):
    """What a webhook's headers say; the body may be read."""

    length: int
    signature: str | None


def read_head(headers: Sequence[tuple[bytes, bytes]]) -> Head:
    """Return what lower-case headers say of a body that we shall read; raises RejectedError."""
    named = dict(headers)
    if len(named) < len(headers):
        _refuse_repeated(headers)
    _check_content(named)
    signature = named.get(_SIGNATURE)
    return Head(_length(named), None if signature is None else signature.decode("latin-1"))


async def read_body(length: int, receive: Receive) -> bytes:
    """Read exactly the body that was announced; raises RejectedError."""
    try:
        body = await _read(length, receive)
    except TimeoutError as error:
        raise RejectedError("body_too_slow", "The body took too long.") from error
    if len(body) != length:
        raise RejectedError("body_incomplete", "The body is shorter than its Content-Length.")
    return body


async def _read(length: int, receive: Receive) -> bytes:
    """Read to the end, or until the client has gone: nobody reads the answer then."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if len(body) == length or not message.get("more_body"):
        return body
    whole = bytearray(body)
    while message.get("more_body") and len(whole) <= length:
        message = await receive()
        whole += message.get("body", b"")
    return bytes(whole)


def _refuse_repeated(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Refuse what may come once only; a server that joined two signatures could make one of them."""
    times = Counter(name for name, _ in headers)
    if times[_SIGNATURE] > 1:
        raise RejectedError("signature_invalid", SIGNATURE_INVALID)
    if times[_TYPE] > 1:
        raise RejectedError("media_type_unsupported", "Send one Content-Type.")
    if times[_LENGTH] > 1:
        raise RejectedError("bad_request", "Send one Content-Length.")


def _check_content(headers: Mapping[bytes, bytes]) -> None:
    content_type = headers.get(_TYPE, b"")
    if content_type not in _USUAL_TYPES and not _is_utf8_json(content_type):
        raise RejectedError("media_type_unsupported", "The Content-Type must be application/json in UTF-8.")
    if b"content-encoding" in headers:
        raise RejectedError("encoding_unsupported", "Send the body without Content-Encoding.")


def _length(headers: Mapping[bytes, bytes]) -> int:
    announced = headers.get(_LENGTH, b"")
    if not announced or b"transfer-encoding" in headers:
        raise RejectedError("length_required", "Send a Content-Length, and no Transfer-Encoding.")
    if not announced.isdigit():
        raise RejectedError("bad_request", "The Content-Length is no number.")
    if len(announced) > len(str(MAX_BODY_BYTES)) or int(announced) > MAX_BODY_BYTES:
        raise RejectedError("body_too_large", f"The body may have {MAX_BODY_BYTES} bytes.")
    return int(announced)


def _is_utf8_json(content_type: bytes) -> bool:
    media_type, *parameters = content_type.lower().split(b";")
    pairs = [parameter.partition(b"=") for parameter in parameters]
    charsets = [value.strip(b' \t"') for name, _, value in pairs if name.strip() == b"charset"]
    return media_type.strip() == _JSON and all(charset in _UTF8 for charset in charsets)
