"""Who gets in without a password of the console's: local users of this machine, or users whom a trusted proxy names."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from flask import abort, request

from cogento.console.web.login import PUBLIC_ENDPOINTS, ConsoleRole, User, authorize, read_name

if TYPE_CHECKING:
    from flask import Flask

    from cogento.console.web.proxies import Proxies

LOCAL_USER = User("local", ConsoleRole.OPERATOR)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LocalAccess:
    """Everybody who reaches the console is the same user: it listens to this machine only."""

    user: User = LOCAL_USER

    def install(self, app: Flask) -> None:
        """Let every request in; the token in the forms lives as long as the process."""
        token = secrets.token_urlsafe(32)
        app.before_request(lambda: authorize(self.user, token))


@dataclass(frozen=True, slots=True)
class ProxyAccess:
    """A proxy has logged people in, and names them in a header that it does not pass on from clients.

    The header counts only on connections from the proxy itself. Only `operators` may change things; if it is empty, everybody
    whom the proxy lets through may.
    """

    header: str
    proxies: Proxies
    operators: frozenset[str] = frozenset()

    def install(self, app: Flask) -> None:
        """Require the header for the application's pages; tokens in forms are each user's own."""
        key = secrets.token_bytes(32)
        app.before_request(lambda: self._require_name(key))

    def _require_name(self, key: bytes) -> None:
        if request.endpoint in PUBLIC_ENDPOINTS:
            return
        if not self.proxies.include(request.remote_addr or ""):
            _log.warning("untrusted_peer")
            abort(403, "Only CONSOLE_TRUSTED_PROXY may ask. Go through the proxy that logs you in.")
        name = self._name()
        if name is None:
            _log.warning("proxy_named_nobody", header=self.header)
            abort(403, f"The proxy named nobody in {self.header}. Log in there first.")
        is_operator = not self.operators or name in self.operators
        token = hmac.new(key, name.encode(), hashlib.sha256).hexdigest()
        authorize(User(name, ConsoleRole.OPERATOR if is_operator else ConsoleRole.VIEWER), token)

    def _name(self) -> str | None:
        """Read the name; None where it has a comma: several headers were joined, one of them perhaps a client's."""
        try:
            said = request.headers.get(self.header, "").encode("latin-1").decode()
        except UnicodeDecodeError:
            return None
        return None if "," in said else read_name(said)
