"""The receiver as it runs in production, in a process of its own, and what a test can see of it."""

from __future__ import annotations

import signal
import sys
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cogento.local.ports import LOCALHOST, free_port
from cogento.local.process import Command
from cogento.queue.durability import AckDurability
from tests.support.builders import SECRET
from tests.support.forked_process import Launch, start_process
from tests.support.looking import redis_at
from tests.support.looped import LoopedMailboxes
from tests.support.servers import is_alive, processes_under, send, wait_until
from tests.support.wire import Connection, HttpAnswer, Request

if TYPE_CHECKING:
    import redis

ROOT = Path(__file__).resolve().parents[2]
GUNICORN = Path(sys.executable).with_name("gunicorn")
STOP_SECONDS = 10
BIND = ("--bind", LOCALHOST + ":{port}")
FASTPATH = (str(GUNICORN), "--config", "receiver/gunicorn_conf.py", *BIND, "receiver.asgi:app")
"""What the Procfile starts."""
FLASK_UNDER_GUNICORN = (str(GUNICORN), "--threads", "8", *BIND, "receiver.app:create_app()")
FLASK_ALONE = (sys.executable, "-m", "flask", "--app", "receiver.app", "run", "--port", "{port}")
MOUNTED = (sys.executable, "-m", "flask", "--app", "tests.support.shop", "run", "--port", "{port}")
"""The same view without the fast path: under gunicorn's threads, Flask's own server, and in another application."""
WRITTEN_BESIDE = (b"cogento:", b"{cogento:0}:fence", b"{cogento:0}:probe")


class RunningReceiver:
    """A receiver on a port of this machine; `environment` is added to the settings it needs.

    The test itself looks at Redis through `seen_at`, where a proxy stands between the receiver and it.
    """

    def __init__(
        self,
        redis_url: str,
        log: Path,
        program: tuple[str, ...] = FASTPATH,
        launch: Launch = start_process,
        /,
        *,
        seen_at: str | None = None,
        **environment: str,
    ) -> None:
        self.port = free_port()
        self.log = log
        self.redis = redis_at(seen_at or redis_url)
        self.process = launch(
            Command(
                argv=tuple(word.format(port=self.port) for word in program),
                log=log,
                folder=ROOT,
                environment={"REDIS_URL": redis_url, "STRIPE_WEBHOOK_SECRET": SECRET, **environment},
            )
        )
        self.mailboxes = LoopedMailboxes.connect(
            seen_at or redis_url, shards=int(environment.get("MAILBOX_SHARDS", 1)), ack=AckDurability.REDIS
        )

    def await_answer(self) -> None:
        """Wait until it answers /healthz, which touches nothing."""
        wait_until(self._answers, what=f"the receiver to answer; its log is {self.log}", seconds=30)

    def connect(self) -> Connection:
        return Connection(self.port)

    def ask(self, request: Request | bytes) -> HttpAnswer:
        """Send one request over a connection of its own and return the answer."""
        with self.connect() as connection:
            return connection.ask(request)

    def ask_often(self, request: Request, times: int) -> list[HttpAnswer]:
        """Send one request again and again, over one connection for as long as the server keeps it."""
        answers: list[HttpAnswer] = []
        while len(answers) < times:
            with self.connect() as connection:
                answers.append(connection.ask(request))
                while len(answers) < times and answers[-1].headers.get("connection") != "close":
                    answers.append(connection.ask(request))
        return answers

    def keep(self, request: Request) -> None:
        """Send one event, each time over a connection of its own, until it is kept.

        A put that a busy machine does not finish in time is answered 503, and Stripe, too, would send it again.
        """
        wait_until(lambda: self.ask(request).status == HTTPStatus.OK, what="a real event to be kept")

    def get(self, target: str, *headers: str) -> HttpAnswer:
        return self.ask(Request(method="GET", target=target, headers=headers, length=None, signature=""))

    def metric(self, sample: str) -> float:
        """Return the sum of the samples that begin so."""
        lines = self.get("/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample))

    def stored_body(self, event_id: str) -> bytes | None:
        """Return the body under which an event waits."""
        stored = self.mailboxes.find(event_id)  # type: ignore[arg-type]
        return stored.body if stored else None

    def waiting(self) -> int:
        """Return how many events wait."""
        return self.mailboxes.status().waiting

    def stored(self) -> dict[bytes, bytes | None]:
        """Return every key with its value as DUMP writes it, except keys that change without a stored event.

        These are wake-ups, counters, and the probe of a check, which expires by itself.
        """
        keys = (key for key in self.redis.scan_iter() if not key.startswith(WRITTEN_BESIDE))
        return {key: self.redis.dump(key) for key in sorted(keys)}

    def lines(self, event: str) -> list[str]:
        """Return the log lines of one event name."""
        return [line for line in self.log.read_text().splitlines() if f'"event": "{event}"' in line]

    def error_lines(self) -> list[str]:
        """Return the log lines that tell of an error."""
        return [line for line in self.log.read_text().splitlines() if '"level": "error"' in line]

    def memory_bytes(self) -> int:
        """Return the resident memory of the process that serves."""
        return memory_of((self.worker_pids() or [self.process.pid])[0], "VmRSS")

    def worker_pids(self) -> list[int]:
        """Return the processes that serve, which gunicorn's first process started; none where the first one serves."""
        return processes_under(self.process.pid)[1:]

    def kill(self) -> None:
        """SIGKILL all of it at once, or what is left of it; when this returns, it is dead."""
        family = processes_under(self.process.pid) if self.process.exit_code() is None else []
        for pid in family:
            send(pid, signal.SIGKILL)
        self.process.kill()
        wait_until(lambda: not any(map(is_alive, family)), what="the receiver to die")

    def end(self) -> None:
        """Kill it and close what the test looked with; a stop takes most of a second, and is what other tests are about."""
        self.kill()
        self._close()

    def stop(self) -> None:
        """Let it stop as it does in production, and close what the test looked with."""
        self.process.stop(within_seconds=STOP_SECONDS)
        self._close()

    def _close(self) -> None:
        self.mailboxes.close()
        self.redis.close()

    def _answers(self) -> bool:
        assert self.process.exit_code() is None, self.log.read_text()
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False


def memory_of(pid: int, what: str) -> int:
    """Return a figure of a process's memory: VmRSS for what it has, VmHWM for the most since `forget_peak`."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(what))


def forget_peak(pid: int) -> None:
    """Have the kernel reset the peak of a process's memory to its present value: proc(5), clear_refs."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def is_rewriting(client: redis.Redis) -> bool:
    """Say whether the server is rewriting its append-only file."""
    persistence: Any = client.info("persistence")
    return bool(persistence["aof_rewrite_in_progress"] or persistence["aof_rewrite_scheduled"])
