"""Settings that can never be right, given to each kind of process as it is started in production: one line, exit code 78."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from cogento import runtime
from cogento.events.names import CustomerId
from cogento.local.ports import free_port
from cogento.local.postgres import Postgres
from cogento.queue.figures import waits_for_what
from tests.support import servers
from tests.support.builders import SECRET, customer
from tests.support.certificates import serve_untrusted
from tests.support.running_worker import PROCFILE, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cogento.local.valkey import Valkey
    from tests.support.post import Post
    from tests.support.running_worker import RunningWorker

EX_CONFIG = 78
CANARY = "Xpw7canary"
PYTHON = (sys.executable, "-m")
GUNICORN = (*PYTHON, "gunicorn", "--config", "receiver/gunicorn_conf.py", "receiver.asgi:app")
PROCESSES = {
    "gunicorn": GUNICORN,
    "receiver": (*PYTHON, "receiver"),
    "worker": (sys.executable, *shlex.split(PROCFILE["worker"])[1:]),
    "health": (*PYTHON, "worker.health"),
    "console": (*PYTHON, "cogento", "console", "--local"),
    "run": (*PYTHON, "cogento", "run", "--no-simulate", "--data"),
    "status": (*PYTHON, "cogento", "status"),
    "migrate": (*PYTHON, "cogento", "migrate"),
    "sweep": (*PYTHON, "cogento", "sweep"),
}
READ_BY = {
    "REDIS_URL": ("gunicorn", "receiver", "worker", "health", "console", "run", "status", "sweep"),
    "DATABASE_URL": ("worker", "console", "run", "status", "migrate", "sweep"),
    "SENTRY_DSN": (
        "gunicorn",
        "receiver",
        "worker",
        "health",
        "console",
        "run",
        "status",
        "migrate",
        "sweep",
    ),
}
LIKE_SWEEP = ("status", "migrate")
"""Commands that read their settings as `sweep` does, and are started below with other mistakes."""

NOWHERE = {"REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": "postgresql://u@127.0.0.1:1/x"}
USUAL = {**NOWHERE, "STRIPE_WEBHOOK_SECRET": SECRET}


def ended(process: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start a process that is to end by itself, and wait until it has."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    argv = (*PROCESSES[process], *([str(folder / "data")] if process == "run" else []))
    return subprocess.run(
        argv,
        cwd=ROOT,
        env={**inherited, **USUAL, "PORT": str(free_port()), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def refusal(process: str, folder: Path, **environment: str) -> list[str]:
    """Return the lines with which it refused."""
    done = ended(process, folder, **environment)
    assert "Traceback" not in done.stdout + done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert done.returncode == EX_CONFIG, done.stdout + done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith(("cogento: ", "Error: "))]
    # `cogento status` says it in its verdict, and once is enough.
    return told or [line for line in done.stdout.splitlines() if " cannot be used: " in line]


BAD_URLS = {
    "REDIS_URL": f"redis://:{CANARY}/abc@127.0.0.1:6379/0",
    "DATABASE_URL": f"postgresql://u:{CANARY}/abc@127.0.0.1/x",
    "SENTRY_DSN": f"https://{CANARY}@127.0.0.1:port/1",
}


@pytest.mark.parametrize("process", [name for name in PROCESSES if name not in LIKE_SWEEP])
def test_a4_unusable_urls_are_a_line_each_that_names_the_setting_and_quotes_nothing_of_it(
    process: str, tmp_path: Path
) -> None:
    lines = refusal(process, tmp_path, **BAD_URLS)
    named = [line.split()[1] for line in lines]
    assert (
        named
    )  # what else is wrong is said once these are right, where settings are read one kind after another
    assert set(named) <= {variable for variable, readers in READ_BY.items() if process in readers}
    assert all(line.startswith("cogento: ") and " is not usable: " in line for line in lines)


@pytest.mark.parametrize("process", ["worker", "console", "migrate"])
def test_t21_a_parameter_of_another_tool_s_is_named_when_a_process_starts(
    process: str, tmp_path: Path
) -> None:
    (line,) = refusal(process, tmp_path, DATABASE_URL=f"postgresql://u:{CANARY}@127.0.0.1/x?schema=public")
    assert "its parameter schema is " in line


@pytest.fixture(scope="module")
def guarded_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL that asks for passwords."""
    home = servers.make_home()
    port = free_port()
    description = Postgres(
        folder=home / "postgres", port=port, log=home / "log", binaries=servers.chosen("TEST_POSTGRES_BIN")
    )
    running = servers.RunningServer(description)
    yield description
    running.kill()
    servers.leave_home(home)


@pytest.fixture(scope="module")
def guarded_valkey() -> Iterator[servers.RunningServer[Valkey]]:
    """A Redis or Valkey that asks for passwords, with a user who may not do what we need."""
    home = servers.make_home()
    running = servers.start_valkey(home)
    with redis.Redis.from_url(running.url) as client:
        client.acl_setuser("limited", enabled=True, passwords=["+secret"], commands=["+ping", "+select"])
        many = ["+@all", "-@dangerous", "+info", "+config|get"]
        client.acl_setuser("keyless", enabled=True, passwords=["+secret"], commands=many, keys=["other:*"])
        client.acl_setuser(
            "wordless", enabled=True, passwords=["+secret"], commands=[*many, "-@write"], keys=["*"]
        )
        client.acl_setuser("half", enabled=True, passwords=["+secret"], commands=many, keys=["{cogento:*"])
        client.config_set("requirepass", "secret")
    yield running
    running.kill()
    servers.leave_home(home)


def database_urls(server: Postgres) -> dict[str, str]:
    """URLs that this server will never take, by the SQLSTATE that it gives."""
    right = server.url
    user, _, rest = right.removeprefix("postgresql://").partition("@")
    return {
        "28P01": f"postgresql://{user.partition(':')[0]}:{CANARY}@{rest}",
        "3D000": right.rpartition("/")[0] + "/absent",
        "42501": right.rpartition("/")[0].replace(user, f"outsider:{CANARY}") + "/closed",
        "28000": right.rpartition("/")[0].replace(user, f"sleeper:{CANARY}") + "/cogento",
    }


@pytest.fixture(scope="module")
def refused_by_postgres(guarded_postgres: Postgres) -> dict[str, str]:
    with psycopg.connect(guarded_postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE closed")
        connection.execute("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
        connection.execute(f"CREATE ROLE outsider LOGIN PASSWORD '{CANARY}'")
        connection.execute(f"CREATE ROLE sleeper NOLOGIN PASSWORD '{CANARY}'")
    return database_urls(guarded_postgres)


@pytest.mark.parametrize("code", ["28P01", "3D000"])
def test_a5_a_worker_that_postgres_will_not_let_in_refuses_to_start(
    code: str, refused_by_postgres: dict[str, str], redis_url: str, tmp_path: Path
) -> None:
    (line,) = refusal("worker", tmp_path, DATABASE_URL=refused_by_postgres[code], REDIS_URL=redis_url)
    assert f"({code})" in line


@pytest.mark.parametrize(
    ("process", "code"), [("status", "28P01"), ("migrate", "28000"), ("console", "3D000"), ("run", "42501")]
)
def test_a10_what_postgres_said_to_a_new_connection_is_named_and_is_no_outage(
    process: str, code: str, refused_by_postgres: dict[str, str], redis_url: str, tmp_path: Path
) -> None:
    (line,) = refusal(process, tmp_path, DATABASE_URL=refused_by_postgres[code], REDIS_URL=redis_url)
    assert f"({code})" in line


def redis_urls(server: servers.RunningServer[Valkey]) -> dict[str, str]:
    where = server.url.removeprefix("redis://").rpartition("/")[0]
    return {
        "no password": f"redis://{where}/0",
        "wrong password": f"redis://:{CANARY}@{where}/0",
        "wrong user": f"redis://{CANARY}:secret@{where}/0",
        "no permission": f"redis://limited:secret@{where}/0",
        "no keys": f"redis://keyless:secret@{where}/0",
        "no writes": f"redis://wordless:secret@{where}/0",
        "no keys of Celery's": f"redis://half:secret@{where}/0",
        "no database": f"redis://:secret@{where}/999",
    }


@pytest.mark.parametrize(
    ("process", "why"),
    [
        ("gunicorn", "no password"),
        ("worker", "wrong password"),
        ("status", "wrong user"),
        ("console", "no permission"),
        ("run", "no database"),
        ("gunicorn", "no writes"),
        ("worker", "no keys of Celery's"),
        ("sweep", "no keys"),
        ("console", "no keys"),
    ],
)
def test_a10_what_redis_refuses_for_good_is_named_and_is_no_outage(
    process: str,
    why: str,
    guarded_valkey: servers.RunningServer[Valkey],
    database_url: str,
    tmp_path: Path,
) -> None:
    url = redis_urls(guarded_valkey)[why]
    (line,) = refusal(process, tmp_path, REDIS_URL=url, DATABASE_URL=database_url)
    assert "REDIS_URL" in line


def test_a10_a_health_check_names_what_redis_refuses_and_restarts_nobody_for_it(
    guarded_valkey: servers.RunningServer[Valkey], tmp_path: Path
) -> None:
    done = ended("health", tmp_path, REDIS_URL=redis_urls(guarded_valkey)["wrong password"])
    assert done.returncode == 0
    assert done.stdout.startswith("unknown: Redis refuses the user or password")


@pytest.fixture(scope="module")
def untrusted_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server with a self-signed certificate, as Heroku's Redis has."""
    for port in serve_untrusted(tmp_path_factory.mktemp("redis"), asks_first=False):
        yield f"rediss://:{CANARY}@127.0.0.1:{port}/0"


@pytest.mark.parametrize("process", ["gunicorn", "worker", "status"])
def test_a_redis_whose_certificate_nobody_trusts_is_no_outage(
    process: str, untrusted_redis: str, database_url: str, tmp_path: Path
) -> None:
    (line,) = refusal(process, tmp_path, REDIS_URL=untrusted_redis, DATABASE_URL=database_url)
    assert "certificate of the server at REDIS_URL" in line


@pytest.fixture(scope="module")
def untrusted_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL with such a certificate."""
    for port in serve_untrusted(tmp_path_factory.mktemp("postgres"), asks_first=True):
        yield f"postgresql://u:{CANARY}@127.0.0.1:{port}/x"


@pytest.mark.parametrize("process", ["worker", "migrate"])
def test_a_postgres_whose_certificate_nobody_trusts_is_no_outage(
    process: str, untrusted_postgres: str, redis_url: str, tmp_path: Path
) -> None:
    url = f"{untrusted_postgres}?sslrootcert=system"
    (line,) = refusal(process, tmp_path, DATABASE_URL=url, REDIS_URL=redis_url)
    assert "certificate of the server at DATABASE_URL" in line


@pytest.mark.parametrize("process", ["worker", "migrate", "status"])
def test_a_postgres_that_speaks_no_tls_is_no_outage(
    process: str, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    (line,) = refusal(process, tmp_path, DATABASE_URL=f"{database_url}?sslmode=require", REDIS_URL=redis_url)
    assert "The server at DATABASE_URL does not speak TLS" in line


@pytest.fixture
def crowded_url(database_url: str) -> Iterator[str]:
    """A database of a role that has all the connections that it may have."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 1")
        url = database_url.replace("postgres@", "crowded@")
        with psycopg.connect(url):
            yield url
        owner.execute("DROP ROLE crowded")


@pytest.mark.parametrize("process", ["status", "migrate"])
def test_a10_a_role_without_a_connection_left_is_named_and_may_be_tried_again(
    process: str, crowded_url: str, redis_url: str, tmp_path: Path
) -> None:
    done = ended(process, tmp_path, DATABASE_URL=crowded_url, REDIS_URL=redis_url)
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert 'too many connections for role "crowded"' in told
    assert "is unreachable" not in told


def test_a5_what_keeps_a_connection_from_being_made_spends_no_attempt(
    post: Post, start_worker: Callable[..., RunningWorker], database_url: str
) -> None:
    worker = start_worker()
    with psycopg.connect(database_url.rpartition("/")[0] + "/postgres", autocommit=True) as admin:
        name = database_url.rpartition("/")[2]
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        post.put("customer.created", customer("cus_1"), id_="evt_1")
        worker.await_line("database_away")
        servers.wait_until(
            lambda: bool(runtime.run(waits_for_what(post.mailboxes.looped))),
            what="the circuit to tell",
            seconds=30,
        )
        attempts = post.mailboxes.view(CustomerId("cus_1")).waiting[0].attempts
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert attempts == 0
    servers.wait_until(lambda: post.ledger() == {"evt_1": "applied"}, what="it to be applied", seconds=60)
