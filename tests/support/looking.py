"""Reading a Redis without our own client: one server, the one that Sentinel names, or all masters of a cluster."""

from __future__ import annotations

from typing import cast

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import Sentinel

from cogento.queue.redis_address import RedisAddress, RedisKind


def redis_at(url: str) -> redis.Redis:
    """Make a client for a URL from settings; for a cluster, one that asks the master that has a key."""
    address = RedisAddress.read(url)
    if address.kind is RedisKind.SERVER:
        return redis.Redis.from_url(url)
    if address.kind is RedisKind.SENTINEL:
        sentinels = Sentinel(address.hosts)  # type: ignore[no-untyped-call]
        return cast("redis.Redis", sentinels.master_for(address.master, protocol=2))  # type: ignore[no-untyped-call]
    nodes = [ClusterNode(host, port) for host, port in address.hosts]  # type: ignore[no-untyped-call]
    return cast("redis.Redis", RedisCluster(startup_nodes=nodes, protocol=2))
