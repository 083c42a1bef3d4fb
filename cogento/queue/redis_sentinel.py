"""The one Redis that Sentinel names as the master: asked for each new connection, so that a failover is followed.

A connection to a demoted master ends with the first write that it refuses, or when it is cut off. During a network partition
there may be two masters, and Sentinel does not say which one is right: docs/scaling.md says what a 2xx then means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from cogento.queue.redis_server import CONNECTION_OPTIONS, RedisServer

if TYPE_CHECKING:
    from cogento.queue.redis_address import RedisAddress

SENTINEL_SECONDS = 0.2
"""How long one Sentinel may take to answer before the next one is asked."""


def connect_by_sentinel(
    address: RedisAddress, *, timeout_seconds: float, max_connections: int
) -> RedisServer:
    """Make a client of the master that these Sentinels name; nothing is sent before it is needed.

    User and password are the master's; the Sentinels are asked without.
    """
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        address.hosts,
        sentinel_kwargs={
            "socket_timeout": SENTINEL_SECONDS,
            "socket_connect_timeout": SENTINEL_SECONDS,
            "retry": Retry(NoBackoff(), 0),
        },
    )
    host, port = address.hosts[0]
    login: dict[str, Any] = dict(parse_url(address.server_url(host, port)))
    del login["host"], login["port"]
    return RedisServer(
        sentinels.master_for(address.master, **CONNECTION_OPTIONS, **login),
        timeout_seconds=timeout_seconds,
        max_connections=max_connections,
        close_finder=sentinels.aclose,
    )
