"""Where our servers listen when everybody may connect: at every address of the machine, IPv6 and IPv4."""

from __future__ import annotations

import socket
from contextlib import closing
from ipaddress import IPv6Address


def everywhere(port: int) -> str:
    """Return what gunicorn binds to."""
    host = every_address()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def every_address() -> str:
    """Return the host that is every address: `::`, which takes IPv4 as well, or `0.0.0.0` where the system has no IPv6."""
    try:
        with closing(socket.socket(socket.AF_INET6, socket.SOCK_STREAM)) as trial:
            takes_both = not trial.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            trial.bind(("::", 0))
    except OSError:
        takes_both = False
    return "::" if takes_both else "0.0.0.0"  # noqa: S104 - everybody may ask: see above


def plain_address(address: str) -> str:
    """Write an IPv4 address that came over an IPv6 socket (`::ffff:10.0.0.5`) in its IPv4 form."""
    mapped = IPv6Address(address).ipv4_mapped if address.startswith("::ffff:") else None
    return str(mapped) if mapped else address
