"""A process that has loaded our libraries, of which the workers, receivers and consoles of tests are copies.

Loading libraries is most of what such a process costs before it does anything, and it is the same each time. This program
does it once and then forks for each request. It loads nothing of ours: a copy reads its own environment and loads our
modules itself, on the way from the Procfile's line on. Run it only by tests/support/forked_process.py.

Between a request and its copy stands a process that ends at once, so that the copy belongs to whoever asked: its parent is
the test's process, which reaps it, and with which it ends.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import socket
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
MAX_REQUEST_BYTES = 1 << 20
LIBRARIES = (
    "a2wsgi",
    "argon2",
    "argparse",
    "asyncpg",
    "celery.apps.worker",
    "celery.concurrency.thread",
    "celery.fixups.django",
    "celery.loaders.app",
    "celery.worker.components",
    "celery.worker.consumer",
    "click",
    "ctypes",
    "flask",
    "gzip",
    "hiredis",
    "http.server",
    "httptools",
    "itsdangerous",
    "kombu.transport.redis",
    "mmap",
    "msgspec",
    "pydantic_settings",
    "redis.asyncio",
    "shlex",
    "stripe",
    "structlog",
    "timeit",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
    "zstandard",
)
"""All but gunicorn, prometheus_client and wsgiref: what these read of the environment when they are imported is a process's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to become; its log comes beside it, as a descriptor. `parent` is to adopt it."""

    argv: Sequence[str]
    folder: str
    environment: Mapping[str, str]
    death_signal: int
    parent: int


def main() -> None:
    """Load, tell which variables that read, and fork until whoever asks has gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    del sys.path[0]  # the folder of this file
    with variables_read() as names:
        load_libraries()
    gc.collect()
    gc.freeze()
    control.send(json.dumps(sorted(names)).encode())
    request = await_request(control)
    if request:
        run(request.argv)


@contextmanager
def variables_read() -> Iterator[set[str]]:
    """Collect the names of the environment variables that are looked up until the block ends."""
    names: set[str] = set()
    environment: Any = type(os.environ)
    usual = environment.__getitem__

    def noting(variables: os._Environ[str], name: str) -> str:
        names.add(name)
        value: str = usual(variables, name)
        return value

    environment.__getitem__ = noting
    yield names
    environment.__getitem__ = usual


def load_libraries() -> None:
    """Import them after what a process of ours does first, which is undone again: a copy does it itself, or does not."""
    collecting, loaded = gc.get_threshold(), set(sys.modules)
    runpy.run_path(str(ROOT / "cogento" / "startup.py"))["prepare_to_load"]()
    hidden = set(sys.modules) - loaded
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in hidden:
        del sys.modules[name]
    gc.set_threshold(*collecting)


def await_request(control: socket.socket) -> Request | None:
    """Fork for each request and return it in the copy that is to serve it; None where there are no more."""
    while True:
        message, descriptors, _flags, _sender = socket.recv_fds(control, MAX_REQUEST_BYTES, 1)
        if not message:
            return None
        (log,) = descriptors
        if fork_for_adoption():
            request = Request(**json.loads(message))
            become(request, log)
            control.send(str(os.getpid()).encode())
            control.close()
            return request
        os.close(log)


def fork_for_adoption() -> bool:
    """Fork a process that has lost its parent when this returns; true in that one."""
    waiting, release = os.pipe()
    between = os.fork()
    if not between:
        if os.fork():
            os._exit(0)
        os.close(release)
        os.read(waiting, 1)  # until the one between us is gone, and the template has closed its end
        os.close(waiting)
        return True
    os.close(waiting)
    _pid, status = os.waitpid(between, 0)
    os.close(release)
    if status:
        raise ChildProcessError("the process could not fork")
    return False


def become(request: Request, log: int) -> None:
    """Do what cogento/local/process.py and its launcher do for a process before it begins."""
    os.setsid()
    end_with = runpy.run_path(str(ROOT / "cogento" / "local" / "launch.py"))["end_with"]
    end_with(request.parent, request.death_signal)
    for standard in (1, 2):
        os.dup2(log, standard)
    os.close(log)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)


def run(argv: Sequence[str]) -> None:
    """Run a command line of this Python's: `python -m MODULE …`, or a script of its folder."""
    program, *words = argv
    if program == sys.executable:
        _m, module, *words = words
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as Python does
        sys.argv = [module, *words]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(program))  # noqa: PTH120 - as Python does
        sys.argv = [program, *words]
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
