"""Fixtures of the tests that need servers. No server is started unless a test asks for its fixture."""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import TYPE_CHECKING, Any

import hypothesis
import psycopg
import pytest
import redis
import structlog

from cogento.local.errors import ServerUnavailableError
from cogento.store.process_roles import ProcessRole, roles_sql
from tests.support import servers
from tests.support.databases import LIBPQ_OPTIONS, ROLES, Administration, as_role
from tests.support.forked_process import Launch, end_template, start_process
from tests.support.post import Post
from tests.support.running_worker import ROOT, RunningWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cogento.local.postgres import Postgres
    from cogento.local.valkey import Valkey

# With every local variable of every frame, which is structlog's default, one logged error takes seconds.
structlog.configure(
    processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
)

# A machine that others share may take its time over an example.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

os.environ["PGOPTIONS"] = LIBPQ_OPTIONS  # for psycopg; asyncpg knows nothing of it

TOGETHER = ("tests/browser/", "tests/faults/redis/")
"""Folders whose files share a browser and consoles, or a pipeline: one of pytest's workers has all of it."""
TEMPLATE = "migrated"
collect_ignore = ["data"]  # docs/adding-an-object.md says where its files go


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each of pytest's workers whole files, as `--dist loadfile` does, but some folders whole."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415 - where pytest has been told to go without it

    class ByFileOrFolder(LoadFileScheduling):  # type: ignore[misc] # xdist carries no types
        def _split_scope(self, nodeid: str) -> str:
            whole = filter(nodeid.startswith, TOGETHER)
            return next(whole, None) or super()._split_scope(nodeid)

    return ByFileOrFolder(config, log)


def pytest_sessionfinish() -> None:
    end_template()


@pytest.fixture(scope="session")
def servers_home() -> Iterator[Path]:
    """The folder of this session's servers; private to the tests, open to the servers' account."""
    servers.remove_homes_of_the_dead()
    home = servers.make_quick_home()
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(servers_home: Path) -> Iterator[servers.RunningServer[Postgres]]:
    """A running PostgreSQL without fsync; `.url_of(name)` on its description finds other databases."""
    server = _started_or_skipped(lambda: servers.start_postgres(servers_home))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey_server(servers_home: Path) -> Iterator[servers.RunningServer[Valkey]]:
    """A running Valkey (or redis-server) with `appendfsync always`."""
    server = _started_or_skipped(lambda: servers.start_valkey(servers_home))
    yield server
    server.stop()


@pytest.fixture
def redis_url(valkey_server: servers.RunningServer[Valkey]) -> str:
    """The URL of an empty Valkey."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
        client.script_flush()
    return valkey_server.url


@pytest.fixture(scope="session")
def administration(postgres_server: servers.RunningServer[Postgres]) -> Iterator[Administration]:
    """Makes databases on the session's server."""
    made = Administration(postgres_server)
    yield made
    made.close()


@pytest.fixture(scope="session")
def migrated_template(
    postgres_server: servers.RunningServer[Postgres], administration: Administration
) -> str:
    """The name of a migrated database that is copied for each test."""
    administration.create(TEMPLATE, template="template0")
    if importlib.util.find_spec("cogento.store.migrate"):
        importlib.import_module("cogento.store.migrate").migrate(postgres_server.description.url_of(TEMPLATE))
        with psycopg.connect(postgres_server.description.url_of(TEMPLATE)) as connection:
            connection.execute(roles_sql(ROLES, "public").encode())
    return TEMPLATE


@pytest.fixture(scope="session")
def announcing_template(
    postgres_server: servers.RunningServer[Postgres], administration: Administration, migrated_template: str
) -> str:
    """The name of a migrated database in which changes are kept, to be copied as well."""
    name = f"{migrated_template}_announcing"
    administration.create(name, template=migrated_template)
    importlib.import_module("cogento.store.migrate").migrate(
        postgres_server.description.url_of(name), changes=True
    )
    return name


@pytest.fixture(scope="session")
def accounts_template(
    postgres_server: servers.RunningServer[Postgres], administration: Administration, migrated_template: str
) -> str:
    """The name of a database with the tables of several accounts, to be copied as well."""
    name = f"{migrated_template}_accounts"
    administration.create(name, template=migrated_template)
    importlib.import_module("tests.support.accounts").make_tables(postgres_server.description.url_of(name))
    return name


@pytest.fixture
def accounts_url(administration: Administration, accounts_template: str) -> Iterator[str]:
    """The URL of a fresh database with the tables of several accounts (tests/support/accounts.py)."""
    yield from administration.lend(template=accounts_template)


@pytest.fixture
def database_url(administration: Administration, migrated_template: str) -> Iterator[str]:
    """The URL of a fresh, migrated database."""
    yield from administration.lend(template=migrated_template)


@pytest.fixture
def worker_url(database_url: str) -> str:
    """The same, for a worker's role."""
    return as_role(ROLES[ProcessRole.WORKER], database_url)


@pytest.fixture
def console_url(database_url: str) -> str:
    """The same, for the role of the console and of commands."""
    return as_role(ROLES[ProcessRole.CONSOLE], database_url)


@pytest.fixture
def empty_database_url(administration: Administration) -> Iterator[str]:
    """The URL of a fresh database without our tables."""
    yield from administration.lend(template="template0")


@pytest.fixture
def post(redis_url: str, database_url: str, worker_url: str) -> Iterator[Post]:
    """Mailboxes and tables, both empty, and a worker's loop between them."""
    office = Post.open(redis_url, database_url, worker_url)
    yield office
    office.close()


@pytest.fixture
def start_worker(redis_url: str, worker_url: str, tmp_path: Path) -> Iterator[Callable[..., RunningWorker]]:
    """Start worker processes that look for events when this returns and end with the test."""
    started: list[RunningWorker] = []

    def start(launch: Launch = start_process, /, **settings: Any) -> RunningWorker:
        log = tmp_path / f"worker-{len(started)}.log"
        worker = RunningWorker(redis_url, worker_url, log, ROOT, launch, **settings)
        started.append(worker)
        worker.await_start()
        return worker

    yield start
    for worker in started:
        worker.process.kill()


def _started_or_skipped(
    start: Callable[[], servers.RunningServer[servers.S]],
) -> servers.RunningServer[servers.S]:
    """Start a server; without its program a laptop skips, and CI, which must have it, fails."""
    try:
        return start()
    except ServerUnavailableError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
