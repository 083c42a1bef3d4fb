from __future__ import annotations

import psycopg
import redis


def test_a_database_and_a_mailbox_server_stand_ready(database_url: str, redis_url: str) -> None:
    with psycopg.connect(database_url) as connection, redis.Redis.from_url(redis_url) as client:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert client.ping()


def test_two_databases_of_one_test_do_not_share_tables(database_url: str, empty_database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE mine ()")
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)
