"""Further fixtures for tests of Postgres's faults: a connection to the tables, and tests that are coroutines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.integration.store import conftest as stores
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

loop = stores.loop
store = stores.store
sql = stores.sql
more_sql = stores.more_sql
pytest_pyfunc_call = stores.pytest_pyfunc_call


@pytest.fixture
def tables(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection to the tables; closed with the test, or by the test's fault."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with Proxy(database_url) as between:
        yield between
