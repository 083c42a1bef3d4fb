"""Lists of IP addresses and networks, parsed and checked once, where settings are read."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network

PRIVATE = "private"
PRIVATE_NETWORKS = (
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
    *("::1/128", "fc00::/7", "fe80::/10"),
)
"""Addresses from which the internet cannot send: loopback, RFC 1918, RFC 6598, link-local, and the same in IPv6."""
LARGEST = {4: 8, 6: 7}
"""Prefix length of the largest network that may be listed: a larger one would be half of the internet, by mistake."""


def read_networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks; `private` is short for PRIVATE_NETWORKS. Raises ValueError, with what to do."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    listed = [each for word in words for each in (PRIVATE_NETWORKS if word == PRIVATE else (word,))]
    try:
        found = tuple(map(ip_network, listed))
    except ValueError as error:
        raise ValueError(
            "give addresses and networks as 10.0.0.5 and 10.1.0.0/16, or private, separated by commas"
        ) from error
    if any(network.prefixlen < LARGEST[network.version] for network in found):
        raise ValueError("one of the networks is so large that it holds strangers: list the proxies alone")
    return found


def read_addresses(text: str) -> tuple[Network, ...]:
    """Read single addresses. Raises ValueError, with what to do."""
    try:
        found = read_networks(text)
    except ValueError:
        found = ()
    if not found or any(
        network.num_addresses > 1 or network.network_address.is_unspecified for network in found
    ):
        raise ValueError("give single addresses as 10.0.0.5, separated by commas")
    return found
