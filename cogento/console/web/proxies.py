"""Who a request comes from when proxies pass it on.

Only the socket's peer is certain. A header is trusted as far as proxies named by TRUSTED_PROXIES or CONSOLE_TRUSTED_PROXY have
written it, and no further: whatever a client sent stands to the left of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import abort, redirect, request

from cogento.console.web.security import SAFE_METHODS

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Network

    from flask import Flask
    from werkzeug.wrappers import Response

PROBES = frozenset({"health", "metrics"})


@dataclass(frozen=True, slots=True)
class Proxies:
    """Proxies that are trusted to name the client whose request they pass on."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def include(self, address: str) -> bool:
        """Tell whether an address is one of these machines; a proxy on this one may call by 127.0.0.1 or ::1."""
        found = _parse(address)
        return found is not None and any(
            (found.is_loopback and network.is_loopback)
            or (found.version == network.version and found in network)
            for network in self.networks
        )

    @property
    def are_here(self) -> bool:
        """Whether all of them are on this machine."""
        return all(network.is_loopback for network in self.networks)

    def client(self) -> str:
        """Return the address that this request comes from: the nearest that is not one of these proxies.

        Anything but an address ends the search: the request then counts as its proxy's.
        """
        address = request.remote_addr or ""
        for said in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
            found = _parse(said.strip())
            if found is None or not self.include(address):
                break
            address = str(found)
        return address

    def require_https(self, app: Flask) -> None:
        """Redirect a client that came to a proxy without encryption to the same URL with https."""
        app.before_request(self._require_https)

    def _require_https(self) -> Response | None:
        said = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
        if said != "http" or request.endpoint in PROBES or not self.include(request.remote_addr or ""):
            return None
        if request.method not in SAFE_METHODS:
            abort(403, "This form was sent without encryption. Open the console with https, and try again.")
        return redirect(f"https{request.url.removeprefix('http')}", code=308)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address as proxies write it, with a port or without."""
    try:
        found = ip_address(text)
    except ValueError:
        try:
            found = ip_address(urlsplit(f"//{text}").hostname or "")
        except ValueError:
            return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
