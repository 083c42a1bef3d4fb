"""What tests of Postgres's faults have in their hands besides: the tables, and tests that are coroutines."""

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
    """A hand in the tables; closed with the test, or by what the test does to the server."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with Proxy(database_url) as between:
        yield between
