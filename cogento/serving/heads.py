"""What a request's head may contain, and what it says about the body. Knows no connection."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import httptools

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_TARGET_BYTES = 4094
MAX_HEADER_BYTES = 8190


class RefusedHeadError(Exception):
    """A head that breaks a rule of ours; `code` names the answer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class AnnouncedBody(NamedTuple):
    """How many bytes a body may have, as far as its head says, and whether the client waits for "100 Continue"."""

    most_bytes: int
    waits_for_continue: bool


def check_target(target: bytes) -> None:
    """Raise RefusedHeadError for an address that is too long."""
    if len(target) > MAX_TARGET_BYTES:
        raise RefusedHeadError("uri_too_long")


def announced_body(headers: Iterable[tuple[bytes, bytes]], *, http_version: str) -> AnnouncedBody:
    """Read what headers, with lower-case names, say about the body; raises RefusedHeadError."""
    most_bytes, waits_for_continue = 0, False
    for name, value in headers:
        if len(name) + len(value) > MAX_HEADER_BYTES:
            raise RefusedHeadError("headers_too_large")
        if name == b"content-length":
            most_bytes = int(value)
        elif name == b"transfer-encoding":
            if http_version == "1.0":  # HTTP/1.0 has no Transfer-Encoding: RFC 9112, 6.1
                raise RefusedHeadError("bad_request")
            most_bytes = sys.maxsize
        elif name == b"expect":
            if value.lower() != b"100-continue":
                raise RefusedHeadError("expectation_failed")
            waits_for_continue = True
    return AnnouncedBody(most_bytes, waits_for_continue)


@lru_cache(maxsize=16)  # nearly all requests are for one address
def split_target(target: bytes) -> tuple[str, bytes, bytes]:
    """Return a path as text and as it was sent, and the query."""
    address = httptools.parse_url(target)
    path = address.path.decode("ascii")
    return unquote(path) if "%" in path else path, address.path, address.query or b""
