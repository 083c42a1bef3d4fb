"""One URL says where Redis is, and how it is found."""

from __future__ import annotations

import pytest

from cogento.queue.redis_address import RedisAddress, RedisKind
from cogento.queue.wakeup import celery_broker
from cogento.urls import UnusableUrlError, redis_url

CLUSTER = "rediss+cluster://u:p%40ss@one:7000,[::1]:7001,three/0?ssl_cert_reqs=none"
SENTINEL = "redis+sentinel://:p%40ss@one:26380,two/mymaster/3"


def test_one_server_is_reached_by_the_url_that_was_given() -> None:
    address = RedisAddress.read("redis://:p%40ss@host:1234/5")
    assert (address.kind, address.hosts) == (RedisKind.SERVER, (("host", 1234),))
    assert address.server_url("host", 1234) == "redis://:p%40ss@host:1234/5"


def test_each_host_of_a_cluster_is_reached_with_the_same_login_and_tls() -> None:
    address = RedisAddress.read(redis_url(CLUSTER, verify=None))
    assert (address.kind, address.hosts) == (
        RedisKind.CLUSTER,
        (("one", 7000), ("::1", 7001), ("three", 6379)),
    )
    assert address.server_url("four", 7003) == "rediss://u:p%40ss@four:7003/0?ssl_cert_reqs=none"
    assert address.server_url("::2", 7004) == "rediss://u:p%40ss@[::2]:7004/0?ssl_cert_reqs=none"


def test_sentinel_is_asked_for_a_master_by_name() -> None:
    address = RedisAddress.read(redis_url(SENTINEL, verify=None))
    assert (address.kind, address.hosts) == (RedisKind.SENTINEL, (("one", 26_380), ("two", 26_379)))
    assert (address.master, address.database) == ("mymaster", "3")
    assert address.server_url("host", 6379) == "redis://:p%40ss@host:6379/3"


def test_celery_is_told_of_sentinel_in_its_own_words() -> None:
    url, options = celery_broker(SENTINEL)
    assert url == "sentinel://:p%40ss@one:26380/3;sentinel://:p%40ss@two:26379/3"
    assert options == {"master_name": "mymaster"}


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("redis+cluster://one,two/1", "a cluster has no numbered databases"),
        ("redis+cluster://", "it cannot be read"),
        ("redis+cluster://one,,two", "it cannot be read"),
        ("redis://one,two/0", "it cannot be read"),
        ("redis+sentinel://one", "the name that Sentinel has for the master"),
        ("redis+sentinel://one/my/master", "the name that Sentinel has for the master"),
        ("redis+sentinel://one/mymaster?ssl_cert_reqs=none", "ssl_cert_reqs"),
        ("rediss+sentinel://one/mymaster", "it must look like"),
        ("redis+cluster://one?cluster=yes", "parameter cluster"),
    ],
)
def test_what_cannot_be_a_cluster_or_sentinel_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(UnusableUrlError, match=complaint):
        redis_url(url, verify=None)
