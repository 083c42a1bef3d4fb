"""Where Redis is: one server, a master that Sentinel names, or the masters of a cluster; read from the URL in settings.

    redis://user:password@host:6379/0                        one server; rediss:// speaks TLS, here as below
    redis+sentinel://user:password@host:26379,host:26379/name/0
    redis+cluster://user:password@host:6379,host:6379

User and password are Redis's own. With a cluster or Sentinel, one reachable host suffices to find the others. The URL has been
validated before (cogento/urls.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

REDIS_PORT, SENTINEL_PORT = 6379, 26_379


class RedisKind(StrEnum):
    """How the server of a shard is found."""

    SERVER = "server"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A URL's parts; `login` and `query` as they are written in it, with their separators.

    `hosts` are names or addresses with ports, `master` is what Sentinel calls the master, `database` its number as text.
    """

    kind: RedisKind
    scheme: str
    login: str
    hosts: tuple[tuple[str, int], ...]
    master: str
    database: str
    query: str

    @classmethod
    def read(cls, url: str) -> RedisAddress:
        """Read a URL that settings have validated."""
        parts = urlsplit(url)
        scheme, _, kind = parts.scheme.partition("+")
        login, at, hosts = parts.netloc.rpartition("@")
        is_sentinel = kind == RedisKind.SENTINEL
        master, _, database = parts.path[1:].partition("/") if is_sentinel else ("", "", parts.path[1:])
        usual_port = SENTINEL_PORT if is_sentinel else REDIS_PORT
        return cls(
            kind=RedisKind(kind or RedisKind.SERVER),
            scheme=scheme,
            login=login + at,
            hosts=tuple(_host_and_port(spec, usual_port) for spec in hosts.split(",")),
            master=master,
            database=database,
            query=f"?{parts.query}" if parts.query else "",
        )

    def server_url(self, host: str, port: int) -> str:
        """Return the URL of one server that is reached with the same user, password, database and TLS."""
        bracketed = f"[{host}]" if ":" in host else host
        return f"{self.scheme}://{self.login}{bracketed}:{port}/{self.database}{self.query}"


def _host_and_port(spec: str, usual_port: int) -> tuple[str, int]:
    host, bracket, rest = spec.rpartition("]")
    if bracket:
        return host.removeprefix("["), int(rest.removeprefix(":") or usual_port)
    host, _, port = spec.partition(":")
    return host or "localhost", int(port or usual_port)
