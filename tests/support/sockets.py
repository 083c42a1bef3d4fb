"""Which processes are connected to a port: from the kernel's lists, so that the observer does not count itself."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

ESTABLISHED = "01"


def connections_to(port: int, pid: int) -> int:
    """Count the connections of one process to a port of any machine."""
    return len(_sockets_to(port, pid) & _sockets_of(pid))


def _sockets_to(port: int, pid: int) -> set[str]:
    """The kernel's numbers of sockets whose other end is this port: proc_net_tcp(5)."""
    found = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            rows = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
            for columns in map(str.split, rows):
                if columns[3] == ESTABLISHED and int(columns[2].rpartition(":")[2], 16) == port:
                    found.add(columns[9])
    return found


def _sockets_of(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if number := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink())):
                    found.add(number[1])
    return found
