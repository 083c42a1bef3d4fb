"""The named queries: one SQL file each, which begins with its purpose and its parameters.

Parts that several queries share are in shared/, and included by a line `-- include NAME`. The text is sent with its comments, so
that pg_stat_activity and the server's log name the query, too. cogento/store/kind_queries.py completes a query that has
`{table}` or another name in braces, or lines between `-- for each kind` and `-- end`.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent

_INCLUDE = re.compile(r"^( *)-- include (\w+)\n", re.MULTILINE)
_MANY_ROWS = re.compile(r"FROM unnest\([^)]*\) AS \w+ \(([^)]*)\)")


def query(name: str) -> str:
    """Read a query by its file's name; at import, so that a missing file is found at start."""
    return _INCLUDE.sub(_included, (FOLDER / f"{name}.sql").read_text(encoding="utf-8"))


@cache
def column_names(statement: str) -> tuple[str, ...]:
    """Return the columns that a statement takes as arrays, in the order of its parameters."""
    (named,) = _MANY_ROWS.findall(statement.replace("[]", ""))
    return tuple(name.strip() for name in named.split(","))


def names() -> list[str]:
    """Name every query there is."""
    return sorted(file.stem for file in FOLDER.glob("*.sql"))


def _included(line: re.Match[str]) -> str:
    lines = (FOLDER / "shared" / f"{line[2]}.sql").read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line[1] + one if one.strip() else one for one in lines)
