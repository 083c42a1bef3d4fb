"""A program that says what the system and Python gave it, and does what its first word says: `end` with the code that follows, `wait`, or `fail`."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import signal
import sys
import threading
from pathlib import Path

PR_GET_PDEATHSIG = 2


def description() -> dict[str, object]:
    """All that a program could tell itself apart by, but for its process's id."""
    death_signal = ctypes.c_int()
    ctypes.CDLL(None).prctl(PR_GET_PDEATHSIG, ctypes.byref(death_signal))
    return {
        "arguments": sys.argv,
        "path": sys.path,
        "name": __name__,
        "spec": __spec__ and __spec__.name,
        "flags": repr(sys.flags),
        "folder": os.getcwd(),  # noqa: PTH109 - as the system says it
        "environment": dict(os.environ),
        "parent": os.getppid(),
        "leads_session": os.getsid(0) == os.getpid(),
        "leads_group": os.getpgrp() == os.getpid(),
        "death_signal": death_signal.value,
        "descriptors": {int(fd.name): _target(fd) for fd in Path("/proc/self/fd").iterdir() if _target(fd)},
        "streams": [repr(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "line_buffering": [sys.stdout.line_buffering, sys.stderr.line_buffering],
        "threads": [thread.name for thread in threading.enumerate()],
        "signals": {int(number): repr(signal.getsignal(number)) for number in signal.valid_signals()},
        "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in LIMITS},
        "niceness": os.nice(0),
        "umask": _umask(),
        "collecting": gc.get_threshold(),
        "hidden": sorted(name for name, module in sys.modules.items() if module is None),
        "ours": sorted(name for name in sys.modules if name.partition(".")[0] in OURS),
    }


LIMITS = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
OURS = ("cogento", "receiver", "schema", "worker")


def _target(descriptor: Path) -> str:
    """Return what is behind a descriptor; nothing of the one that lists them."""
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:
        return ""


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def main() -> None:
    """Describe, then end as asked."""
    sys.stdout.write(f"{json.dumps(description())}\n")
    sys.stdout.flush()
    match sys.argv[1:]:
        case ["wait"]:
            signal.pause()
        case ["fail"]:
            raise LookupError("as asked")
        case ["end", code]:
            sys.exit(int(code))


if __name__ == "__main__":
    main()
