from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from cogento.networks import read_addresses, read_networks


def test_list_holds_addresses_and_networks() -> None:
    expected = (ip_network("10.0.0.5"), ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
    assert read_networks("10.0.0.5, 192.0.2.0/24,2001:db8::/32,") == expected


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.255.0.1", "172.31.0.1", "192.168.7.7", "100.64.0.1", "fd00::1"]
)
def test_private_is_what_the_internet_cannot_send_from(address: str) -> None:
    assert any(ip_address(address) in network for network in read_networks("private"))


@pytest.mark.parametrize("address", ["203.0.113.7", "172.32.0.1", "2001:db8::1", "8.8.8.8"])
def test_private_is_nothing_else(address: str) -> None:
    assert not any(ip_address(address) in network for network in read_networks("private"))


@pytest.mark.parametrize(
    "text", ["proxy", "10.0.0", "10.0.0.5/33", "10.0.0.5/24", "10.0.0.5;10.0.0.6", "*", "Private"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"10\.1\.0\.0/16"):
        read_networks(text)


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "128.0.0.0/1", "10.0.0.5,0.0.0.0/4"])
def test_network_of_half_the_internet_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="holds strangers"):
        read_networks(text)


def test_single_addresses_are_read() -> None:
    assert read_addresses("10.0.0.5,::1") == (ip_network("10.0.0.5"), ip_network("::1"))


@pytest.mark.parametrize("text", ["", ",", "10.0.0.0/24", "private", "0.0.0.0", "::", "proxy"])
def test_what_is_no_single_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="single addresses"):
        read_addresses(text)
