from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import redis

from tests.support.proxy import Proxy, Way

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(proxy.url, socket_timeout=1, retry=None) as client:
        client.ping()
        yield client


def test_bytes_pass_both_ways(client: redis.Redis) -> None:
    value = b"x" * 300_000

    client.set("key", value)

    assert client.get("key") == value


def test_a_black_hole_keeps_the_connection_and_answers_nothing(client: redis.Redis, proxy: Proxy) -> None:
    proxy.black_hole()

    with pytest.raises(redis.TimeoutError):
        client.ping()


def test_what_a_black_hole_held_back_arrives_once_it_heals(proxy: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=1) as plug:
        proxy.black_hole()
        plug.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            plug.recv(100)

        proxy.heal()

        assert plug.recv(100) == b"+PONG\r\n"


def test_a_delay_holds_every_answer_back(client: redis.Redis, proxy: Proxy) -> None:
    proxy.delay(3)

    with pytest.raises(redis.TimeoutError):
        client.ping()


def test_a_reset_ends_open_connections_and_new_ones(client: redis.Redis, proxy: Proxy) -> None:
    proxy.reset()

    with pytest.raises(redis.ConnectionError):
        client.ping()
    with pytest.raises(redis.ConnectionError):
        client.ping()


def test_refusing_ends_open_connections_and_refuses_new_ones(client: redis.Redis, proxy: Proxy) -> None:
    proxy.refuse()

    with pytest.raises(redis.ConnectionError):
        client.ping()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port))


def test_healing_lets_clients_back(client: redis.Redis, proxy: Proxy) -> None:
    proxy.refuse()
    proxy.heal()
    client.close()

    assert client.ping()


def test_a_cut_before_delivery_keeps_the_command_from_the_server(
    client: redis.Redis, proxy: Proxy, redis_url: str
) -> None:
    proxy.cut_on(b"INCR")

    with pytest.raises(redis.ConnectionError):
        client.incr("count")

    assert _value(redis_url, "count") is None
    assert proxy.cuts_done == 1


def test_a_cut_after_delivery_loses_only_the_answer(
    client: redis.Redis, proxy: Proxy, redis_url: str
) -> None:
    proxy.cut_on(b"INCR", delivered=True)

    with pytest.raises(redis.ConnectionError):
        client.incr("count")

    assert _value(redis_url, "count") == b"1"


def test_an_answer_can_be_cut_off(client: redis.Redis, proxy: Proxy, redis_url: str) -> None:
    client.set("key", b"needle")
    proxy.cut_on(b"needle", way=Way.TO_CLIENT)

    with pytest.raises(redis.ConnectionError):
        client.get("key")


def _value(url: str, key: str) -> object:
    with redis.Redis.from_url(url) as direct:
        return direct.get(key)


def test_a_handshake_that_is_under_way_ends_with_the_proxy(redis_url: str) -> None:
    with Proxy(redis_url, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as proxy:
        plug = socket.create_connection(("127.0.0.1", proxy.port), timeout=2)

    with plug, suppress(ConnectionResetError):
        assert plug.recv(100) == b""
