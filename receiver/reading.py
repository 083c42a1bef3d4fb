"""Reading a request: what must hold before the first byte of its body is read.

Before this runs the server has refused anything that is not HTTP (ambiguous lengths, long headers, a chunked body with a
Content-Length), and it limits the time of reading. It would pass on a chunked body of any size, and a body shorter than its
Content-Length.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from cogento.events.errors import RejectedError
from receiver.answers import SIGNATURE_INVALID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cogento.serving.answers import Message, Receive

MAX_BODY_BYTES = 50_331_648
"""The largest body that Stripe can send, plus a fifth: tests/support/largest.py makes one, and says from which limits."""

METHOD = "POST"
"""The method of a webhook; its path is in cogento/accounts.py."""

_TYPE, _LENGTH, _SIGNATURE = b"content-type", b"content-length", b"stripe-signature"
_CODING = b"transfer-encoding"
_JSON = b"application/json"
_USUAL_TYPES = frozenset({_JSON, b"application/json; charset=utf-8"})
_UTF8 = (b"utf-8", b"utf8")


class Head(NamedTuple):
    """The facts in the headers of a webhook whose body may be read; `length` is None for a chunked body."""

    length: int | None
    signature: str | None


def read_head(headers: Sequence[tuple[bytes, bytes]]) -> Head:
    """Return what headers, with lower-case names, say about a body that may be read; raises RejectedError."""
    named = dict(headers)
    if len(named) < len(headers):
        _refuse_repeated(headers)
    _check_content(named)
    signature = named.get(_SIGNATURE)
    return Head(_length(named), None if signature is None else signature.decode("latin-1"))


def announced_length(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Return what the headers say about the body's length, in a form for logs."""
    announced = dict(headers).get(_LENGTH)
    return "chunked" if announced is None else announced[:20].decode("ascii", "replace")


def read_from(environ: Mapping[str, Any], length: int | None, *, read_before: bytes | None = None) -> bytes:
    """Read exactly the body that was announced to a WSGI server, or a chunked one to its end; raises RejectedError.

    `read_before` is the body where the application around us has read it: the server has it only once.
    """
    if length is None and not environ.get("wsgi.input_terminated"):
        raise RejectedError("length_required", "Send a Content-Length: this server reads no chunked body.")
    body = _read_input(environ, length) if read_before is None else read_before
    if length is not None and len(body) != length:
        raise _incomplete()
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return body


def _read_input(environ: Mapping[str, Any], length: int | None) -> bytes:
    try:
        body: bytes = environ["wsgi.input"].read(MAX_BODY_BYTES + 1 if length is None else length)
    except Exception as error:
        # The client has gone, or its chunks are malformed, which each server says by an error of its own.
        if length is None or isinstance(error, OSError):
            raise _incomplete() from error
        raise
    return body


async def read_body(length: int | None, receive: Receive) -> bytes:
    """Read exactly the body that was announced, or a chunked one to its end; raises RejectedError."""
    try:
        body = await _read(MAX_BODY_BYTES if length is None else length, receive)
    except TimeoutError as error:
        raise RejectedError("body_too_slow", "The body took too long.") from error
    if length is not None and len(body) != length:
        raise _incomplete()
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return body


async def _read(most: int, receive: Receive) -> bytes:
    """Read to the end, or until there is too much."""
    message = await _next(receive)
    if not message["more_body"]:
        whole: bytes = message["body"]
        return whole
    parts = bytearray(message["body"])
    while message["more_body"] and len(parts) <= most:
        message = await _next(receive)
        parts += message["body"]
    return bytes(parts)


async def _next(receive: Receive) -> Message:
    """Return the next part; raises RejectedError where the body was cut short, although the client may be gone."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _incomplete()
    return message


def _incomplete() -> RejectedError:
    return RejectedError("body_incomplete", "The body ended too early.")


def _too_large() -> RejectedError:
    return RejectedError("body_too_large", f"The body may have {MAX_BODY_BYTES} bytes.")


def _refuse_repeated(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Refuse repeated headers that may come only once; a server that joins two signature headers could make one of them."""
    times = Counter(name for name, _ in headers)
    if times[_SIGNATURE] > 1:
        raise RejectedError("signature_invalid", SIGNATURE_INVALID)
    if times[_TYPE] > 1:
        raise RejectedError("media_type_unsupported", "Send one Content-Type.")
    if times[_LENGTH] > 1:
        raise RejectedError("bad_request", "Send one Content-Length.")
    if times[_CODING] > 1:
        raise RejectedError("bad_request", "Send one Transfer-Encoding.")


def _check_content(headers: Mapping[bytes, bytes]) -> None:
    content_type = headers.get(_TYPE, b"")
    if content_type not in _USUAL_TYPES and not _is_utf8_json(content_type):
        raise RejectedError("media_type_unsupported", "The Content-Type must be application/json in UTF-8.")
    if b"content-encoding" in headers:
        raise RejectedError("encoding_unsupported", "Send the body without Content-Encoding.")


def _length(headers: Mapping[bytes, bytes]) -> int | None:
    announced, coding = headers.get(_LENGTH, b""), headers.get(_CODING)
    if coding is not None:
        _check_coding(coding, announced)
        return None
    if not announced:
        raise RejectedError("length_required", "Send a Content-Length, or a chunked body.")
    if not announced.isdigit():
        raise RejectedError("bad_request", "The Content-Length is not a number.")
    if len(announced) > len(str(MAX_BODY_BYTES)) or int(announced) > MAX_BODY_BYTES:
        raise _too_large()
    return int(announced)


def _check_coding(coding: bytes, announced: bytes) -> None:
    """Accept a chunked body, as tunnels and streaming proxies send it, and no other coding; raises RejectedError."""
    if announced:  # two servers could see two ends of the body: RFC 9112, 6.1
        raise RejectedError("bad_request", "Send a Content-Length or a Transfer-Encoding, not both.")
    if coding.lower() != b"chunked":
        raise RejectedError("encoding_unsupported", "Send the body without a coding, or chunked alone.")


def _is_utf8_json(content_type: bytes) -> bool:
    media_type, *parameters = content_type.lower().split(b";")
    pairs = [parameter.partition(b"=") for parameter in parameters]
    charsets = [value.strip(b' \t"') for name, _, value in pairs if name.strip() == b"charset"]
    return media_type.strip() == _JSON and all(charset in _UTF8 for charset in charsets)
