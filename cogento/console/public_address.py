"""The public address of a receiver, tried from outside: whether a proxy in between passes requests on, and which one it is.

Asks by GET, which a receiver answers with 405 and counts as no webhook. Follows no redirect, as Stripe does not.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from cogento.console.findings import away, good, warning, wrong
from cogento.serving.connection import IDLE_SECONDS
from cogento.urls import UnusableUrlError, host_and_port, http_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogento.console.findings import Finding

SUBJECT = "address"
ANSWER_SECONDS = 10
SLOW_SECONDS = 2.0
BETWEEN = {
    "vegur": "Heroku's router, which keeps idle connections for 90 s",
    "cloudflare": "Cloudflare, which keeps idle connections to an origin for 400 s at most and waits 100 s for an answer",
    "awselb": "an AWS load balancer, which keeps idle connections for 60 s unless told otherwise",
    "nginx": "nginx, which keeps idle connections for 60 s unless told otherwise",
    "caddy": "Caddy, which keeps idle connections for 120 s unless told otherwise",
}
"""Parts of the headers `Server` and `Via` by which a proxy is recognised, and what its vendor documents."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: http.client.HTTPMessage
    seconds: float


def check_address(url: str) -> Iterator[Finding]:
    """Ask a webhook address once, and say who answers there."""
    try:
        parts = http_url(url)
        host, port = host_and_port(parts.hosts)
    except UnusableUrlError as error:
        yield wrong(SUBJECT, f"{url!r} is not a receiver's address", f"Correct it: {error}.")
        return
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(host, port, timeout=ANSWER_SECONDS)
    try:
        first = _ask(connection, quote(parts.path) or "/")
        yield _judge(url, first)
        if between := _between(first.headers):
            yield good("proxy", f"{between}; the receiver keeps them for {IDLE_SECONDS:g} s")
        if first.seconds > SLOW_SECONDS:
            yield warning(
                SUBJECT, f"the answer took {first.seconds:.1f} s", "Stripe waits for some seconds only."
            )
    except ssl.SSLCertVerificationError as error:
        yield wrong(
            SUBJECT,
            f"{url}: its certificate is not valid ({error.verify_message})",
            "Stripe sends nothing there: renew it.",
        )
    except socket.gaierror:
        yield away(SUBJECT, f"{url}: DNS knows no {host}", "Correct the address, or wait until DNS has it.")
    except (
        OSError,
        http.client.HTTPException,
        UnicodeError,
    ) as error:  # the last for a name that DNS cannot hold
        yield away(
            SUBJECT, f"{url} does not answer ({type(error).__name__})", "Check DNS, TLS and the proxy."
        )
    finally:
        connection.close()


def _ask(connection: http.client.HTTPConnection, path: str) -> _Answer:
    begun = time.monotonic()
    connection.request("GET", path, headers={"User-Agent": "cogento check"})
    answer = connection.getresponse()
    answer.read()
    return _Answer(answer.status, answer.headers, time.monotonic() - begun)


def _judge(url: str, answer: _Answer) -> Finding:
    if answer.status == HTTPStatus.METHOD_NOT_ALLOWED and "POST" in answer.headers.get("Allow", ""):
        return good(SUBJECT, f"{url} leads to a receiver")
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        to = answer.headers.get("Location", "elsewhere")
        return wrong(
            SUBJECT, f"{url} redirects to {to}, and Stripe follows no redirect", "Give Stripe that address."
        )
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return wrong(
            SUBJECT,
            f"{url} answers {answer.status}: something before the receiver wants a login",
            "Let this path through.",
        )
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return away(SUBJECT, f"{url} answers {answer.status}", "Does the receiver run?")
    return wrong(
        SUBJECT,
        f"{url} answers {answer.status}, as no receiver does",
        "Check the path, and the proxy's rules.",
    )


def _between(headers: http.client.HTTPMessage) -> str | None:
    told = f"{headers.get('Server', '')} {headers.get('Via', '')}".lower()
    return next((text for name, text in BETWEEN.items() if name in told), None)
