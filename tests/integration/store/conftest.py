"""Coroutine tests, each on a loop of its own, with a store and a plain connection to look at the tables."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from cogento.store.store import Store
from tests.support.databases import look

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.databases import Administration


@pytest.fixture(autouse=True)
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: Any) -> object | None:
    """Run a test that is a coroutine function on its loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    test = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    pyfuncitem.funcargs["loop"].run(test)
    return True


@pytest.fixture
def store(loop: asyncio.Runner, database_url: str) -> Iterator[Store]:
    opened = loop.run(Store.open(database_url, pool_size=2, application_name="test"))
    yield opened
    loop.run(opened.close())


@pytest.fixture
def another_store(loop: asyncio.Runner, database_url: str) -> Iterator[Store]:
    """The store of another worker."""
    opened = loop.run(Store.open(database_url, pool_size=2, application_name="test of another"))
    yield opened
    loop.run(opened.close())


@pytest.fixture
def sql(loop: asyncio.Runner, database_url: str) -> Iterator[Any]:
    """A connection that is not the store's."""
    connection = loop.run(look(database_url))
    yield connection
    loop.run(connection.close())


@pytest.fixture(scope="session")
def untouched_url(administration: Administration, migrated_template: str) -> Iterator[str]:
    """One migrated database for all tests that only look."""
    yield from administration.lend(template=migrated_template)


@pytest.fixture
def catalogue(loop: asyncio.Runner, untouched_url: str) -> Iterator[Any]:
    """A connection to a migrated database, to look at it."""
    connection = loop.run(look(untouched_url))
    yield connection
    loop.run(connection.close())


@pytest.fixture
def more_sql(loop: asyncio.Runner, database_url: str) -> Iterator[Any]:
    """A second connection, for tests that need two."""
    connection = loop.run(look(database_url))
    yield connection
    loop.run(connection.close())
