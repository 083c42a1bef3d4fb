"""What is the same for every table: how rows are written, and how a locked row is compared with a decision.

Each column of many rows goes to Postgres as one text that is an array, `$1::TEXT::VARCHAR[]` in SQL: the driver's own arrays ask
of every single value whether it is another array, which was a fifth of what a worker spent on writing (docs/decisions/0027).
Where the statement takes `$1::BYTEA[]`, bytes go as they are: tens of megabytes of base64 take Postgres longer to read than to
keep.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from cogento.events.strict_json import canonical_json
from cogento.ordering.order import CurrentRow, Decision
from schema.queries import column_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg


_JSON = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode

_MAY_NAME_CONTROL = re.compile(r"\\[bfnrtu]")
_BYTES = re.compile(r"\$(\d+)::BYTEA\[\]")
_ESCAPE = re.compile(r"\\(?:u....|.)")


def needs_update(decision: Decision, known: CurrentRow, *, unsure: bool) -> bool:
    """Tell whether anything of a row would be written differently."""
    return (
        decision.changed
        or decision.evidence != known.evidence
        or decision.last_event_id != known.last_event_id
        or decision.sure is unsure
    )


def canonical(stored: str | None) -> str | None:
    """Bring JSON as Postgres writes it to the form of the columns."""
    if stored is None or stored == "{}":
        return stored
    return canonical_json(_JSON.decode(stored))


async def write(
    connection: asyncpg.Connection,
    statement: str,
    values: Mapping[str, Sequence[object]],
    *,
    seconds: float | None = None,
) -> None:
    """Write rows, given by the names of their columns, with one statement; without rows nothing is sent.

    The statement may take `seconds`; None means as long as any statement. Every row must be written: one that vanished under its
    lock would be a lost event, and it is better not to commit then. Raises AssertionError, which is not retried in place.
    """
    count = len(next(iter(values.values())))
    if not count:
        return
    status = await connection.execute(statement, *named_arrays(statement, values), timeout=seconds)
    if status.rpartition(" ")[2] != str(count):
        raise AssertionError(f"{status}, but there were {count} rows to write")


def named_arrays(statement: str, values: Mapping[str, Sequence[object]]) -> list[str | Sequence[object]]:
    """Turn columns into one array each, in the order in which the statement names them.

    Raises where the statement and `values` name different columns.
    """
    names = column_names(statement)
    if len(names) != len(values):
        raise ValueError(f"the statement names {names}, and there are {tuple(values)}")
    of_bytes = _columns_of_bytes(statement)
    return [values[name] if name in of_bytes else array(values[name]) for name in names]


@cache
def _columns_of_bytes(statement: str) -> frozenset[str]:
    names = column_names(statement)
    return frozenset(names[int(place) - 1] for place in _BYTES.findall(statement))


def array(values: Sequence[object]) -> str:
    """Write strings, numbers, booleans, UUIDs and nulls as a PostgreSQL array; bytes become strings in base64.

    That is JSON in other brackets: both quote strings, and escape quotes and backslashes, in the same way.
    """
    written = _encode(values)[1:-1].decode()
    if _MAY_NAME_CONTROL.search(written):
        written = _ESCAPE.sub(_as_it_is, written)
    return f"{{{written}}}"


def _as_it_is(escape: re.Match[str]) -> str:
    """Return the control character itself that JSON escapes: Postgres does not know these escapes."""
    character: str = json.loads(f'"{escape[0]}"')
    return escape[0] if character in {'"', "\\"} else character
