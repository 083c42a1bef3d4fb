"""fakeredis, which runs the real Lua, and reports the configuration of a server that syncs every write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fakeredis
from fakeredis.aioredis import FakeAsyncRedisConnection, FakeWriter
from redis.asyncio import ConnectionPool, Redis

from cogento.queue.redis_server import RedisServer
from tests.support.servers import PATIENT_SECONDS

if TYPE_CHECKING:
    import redis

INFO = {
    "redis_version": "7.2.0",
    "role": "master",
    "maxmemory_policy": "noeviction",
    "maxmemory": 0,
    "used_memory": 1,
    "aof_enabled": 1,
}
CONFIG = {"appendfsync": "always", "no-appendfsync-on-rewrite": "no"}


class FakeRedis(fakeredis.FakeRedis):
    """The client with which tests read; `client_on` makes the mailboxes' client for the same server."""


class _Writer(FakeWriter):
    """Answers INFO and CONFIG GET, which fakeredis does not know."""

    def is_closing(self) -> bool:
        return self._socket is None

    def writelines(self, data: Any) -> None:
        if self._socket is None:
            return
        sent = b"".join(data)
        if b"\r\nINFO\r\n" in sent:
            self._socket.put_response("".join(f"{name}:{value}\r\n" for name, value in INFO.items()).encode())
        elif b"\r\nCONFIG\r\n" in sent:
            self._socket.put_response([word.encode() for pair in CONFIG.items() for word in pair])
        else:
            super().writelines([sent])


class _Connection(FakeAsyncRedisConnection):
    async def _connect(self) -> None:
        await super()._connect()
        assert self._sock is not None
        self._writer = _Writer(self._sock)


def client_on(client: redis.Redis) -> RedisServer:
    """Make a client of the same server, real or fake, as a synchronous client."""
    options = client.connection_pool.connection_kwargs
    if isinstance(client, fakeredis.FakeRedis):
        kept = {name: options[name] for name in ("host", "port", "db", "server", "version", "server_type")}
        pool = ConnectionPool(connection_class=_Connection, protocol=2, lua_modules=None, **kept)
        return RedisServer(Redis(connection_pool=pool), timeout_seconds=PATIENT_SECONDS)
    url = f"redis://{options['host']}:{options['port']}/{options.get('db') or 0}"
    return RedisServer.connect(url, timeout_seconds=PATIENT_SECONDS)
