from __future__ import annotations

import socket

import pytest

from cogento.serving.listening import everywhere, plain_address


def test_server_listens_to_ipv6_and_ipv4_alike() -> None:
    assert everywhere(8000) == "[::]:8000"


def test_server_listens_to_ipv4_where_the_system_has_no_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refuse)
    assert everywhere(8000) == "0.0.0.0:8000"


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:cb00:7107", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("::1", "::1"),
        ("203.0.113.7", "203.0.113.7"),
    ],
)
def test_ipv4_address_of_an_ipv6_socket_is_written_as_itself(address: str, plain: str) -> None:
    assert plain_address(address) == plain
