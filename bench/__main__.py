"""`make bench` and `make bench-full`: every benchmark as a command of its own, one after the other.

Each prints what it measured; a failing one does not keep the others from running.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

QUICK = (
    ("bench.ordering",),
    ("bench.paths",),
    ("bench.receiver", "--events", "10000", "--rounds", "1"),
    ("bench.freshness", "--events", "100", "--rounds", "1"),
    ("bench.soak", "--minutes", "1"),
)
FULL = (
    ("bench.ordering", "--histories", "100000"),
    ("bench.paths", "--seconds", "900"),
    ("bench.receiver", "--rounds", "5"),
    ("bench.freshness", "--rounds", "5"),
    ("bench.soak", "--minutes", "10"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="every benchmark at its full length")
    failed = [command for command in (FULL if parser.parse_args().full else QUICK) if not run(command)]
    return 1 if failed else 0


def run(command: tuple[str, ...]) -> bool:
    """Run one benchmark and say how it ended."""
    print(f"\n== python -m {' '.join(command)}", flush=True)
    return subprocess.run([sys.executable, "-m", *command], check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
