"""Browsers that logged in before, known by a signed cookie, so that strangers cannot lock them out of the login.

OWASP's device cookies (owasp.org, "Slow Down Online Guessing Attacks with Device Cookies"): such a browser's wrong passwords are
counted separately, and everybody else's by address. The cookie does not log anybody in.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from flask import request
from itsdangerous import BadSignature, TimestampSigner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from werkzeug.wrappers import Response

    from cogento.console.passwords import PasswordHash

BROWSER_COOKIE = "__Host-cogento-browser"
KNOWN_SECONDS = 90 * 24 * 60 * 60


class KnownBrowsers:
    """Makes and reads the cookie; its key is derived from the passwords' hashes, so that a new password makes all cookies invalid."""

    def __init__(self, passwords: Iterable[PasswordHash]) -> None:
        key = hashlib.sha256("\n".join(map(str, passwords)).encode()).digest()
        self._signer = TimestampSigner(key, salt="cogento browser", digest_method=hashlib.sha256)

    def find(self) -> str | None:
        """Return the number of the browser that sent this request, if it logged in within KNOWN_SECONDS."""
        try:
            return self._signer.unsign(
                request.cookies.get(BROWSER_COOKIE, ""), max_age=KNOWN_SECONDS
            ).decode()
        except BadSignature:
            return None

    def remember(self, response: Response) -> None:
        """Give the browser that has just logged in the cookie."""
        signed = self._signer.sign(self.find() or secrets.token_urlsafe(16)).decode()
        response.set_cookie(
            BROWSER_COOKIE,
            signed,
            max_age=KNOWN_SECONDS,
            path="/",
            secure=True,
            httponly=True,
            samesite="Strict",
        )
