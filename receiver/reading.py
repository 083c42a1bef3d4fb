"""Reading a request's body: what must hold before the first byte is read, and how long it may take.

gunicorn has refused what is no HTTP before this runs (ambiguous lengths, long headers). It would hand
over a chunked body of any size, and a body shorter than its Content-Length as if it were whole.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from events.errors import RejectedError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BODY_BYTES = 1_048_576
READ_SECONDS = 10

_JSON = "application/json"
_USUAL_TYPES = frozenset({_JSON, "application/json; charset=utf-8"})
_UTF8 = ("utf-8", "utf8")


TimeLimit = Callable[[float], AbstractContextManager[object]]
"""Makes a context in which TimeoutError is raised once it has lasted that many seconds."""


def read_body(environ: Mapping[str, Any], *, time_limit: TimeLimit) -> bytes:
    """Read exactly the body that was announced; raises RejectedError."""
    _check_content(environ)
    length = _check_length(environ)
    try:
        with time_limit(READ_SECONDS):
            body: bytes = environ["wsgi.input"].read(length)
    except TimeoutError as error:
        raise RejectedError("body_too_slow", f"The body took longer than {READ_SECONDS} s.") from error
    except OSError as error:  # the client has gone; nobody reads the answer
        raise RejectedError("body_incomplete", "The connection broke before the body's end.") from error
    if len(body) != length:
        raise RejectedError("body_incomplete", "The body is shorter than its Content-Length.")
    return body


def _check_content(environ: Mapping[str, Any]) -> None:
    content_type = environ.get("CONTENT_TYPE", "")
    if content_type not in _USUAL_TYPES and not _is_utf8_json(content_type):
        raise RejectedError("media_type_unsupported", "The Content-Type must be application/json in UTF-8.")
    if "HTTP_CONTENT_ENCODING" in environ:
        raise RejectedError("encoding_unsupported", "Send the body without Content-Encoding.")


def _check_length(environ: Mapping[str, Any]) -> int:
    announced = environ.get("CONTENT_LENGTH", "")
    if not announced or "HTTP_TRANSFER_ENCODING" in environ:
        raise RejectedError("length_required", "Send a Content-Length, and no Transfer-Encoding.")
    if not (announced.isascii() and announced.isdigit()):
        raise RejectedError("bad_request", "The Content-Length is no number.")
    if len(announced) > len(str(MAX_BODY_BYTES)) or int(announced) > MAX_BODY_BYTES:
        raise RejectedError("body_too_large", f"The body may have {MAX_BODY_BYTES} bytes.")
    return int(announced)


def _is_utf8_json(content_type: str) -> bool:
    media_type, *parameters = content_type.lower().split(";")
    pairs = [parameter.partition("=") for parameter in parameters]
    charsets = [value.strip(' \t"') for name, _, value in pairs if name.strip() == "charset"]
    return media_type.strip() == _JSON and all(charset in _UTF8 for charset in charsets)
