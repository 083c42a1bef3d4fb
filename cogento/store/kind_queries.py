"""Queries that are written once for all kinds of objects, completed by the kinds' descriptions.

A name in braces is replaced: by one kind in the whole query, or by each in turn in the lines from `-- for each kind` to
`-- end`, which come once for every kind that belongs to a customer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cogento.events.kinds import OWNED_KINDS
from cogento.events.kinds.kind import ColumnType
from schema.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cogento.events.kinds.kind import Kind

_NAME = re.compile(r"\{([a-z_]+)\}")
_FOR_EACH_KIND = re.compile(r"^ *-- for each kind\n(.*?)^ *-- end\n", re.MULTILINE | re.DOTALL)

_ARRAYS = {
    ColumnType.TEXT: "VARCHAR",
    ColumnType.NUMBER: "BIGINT",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.TIME: "BIGINT",
    ColumnType.JSON: "JSONB",
    ColumnType.METADATA: "JSONB",
    ColumnType.CLOSED_JSON: "JSONB",
}
"""The SQL type as which a column's values are sent to Postgres."""

_LAST_ARRAYS = (
    ("BIGINT", "second of the event that is shown"),
    ("VARCHAR", "id of the event that is shown"),
    ("TEXT", "evidence of order, in base64"),
    ("BOOLEAN", "unsure"),
)
"""What every kind has after its own columns."""


def query_of(name: str, kind: Kind) -> str:
    """Read a query of one kind's table."""
    return _completed(query(name), _names(kind))


def query_of_all(name: str) -> str:
    """Read a query over the tables of all kinds."""
    every = [_names(kind) for kind in OWNED_KINDS]
    return _FOR_EACH_KIND.sub(
        lambda part: "".join(_completed(part[1], names) for names in every), query(name)
    )


def sent(name: str) -> list[str]:
    """Read a named query as it is sent: one text for each kind, where it is of one kind's table."""
    text = query_of_all(name)
    return [query_of(name, kind) for kind in OWNED_KINDS] if _NAME.search(text) else [text]


def _completed(text: str, names: Mapping[str, str]) -> str:
    return _NAME.sub(lambda name: names[name[1]], text)


def _names(kind: Kind) -> dict[str, str]:
    types = kind.column_types()
    ended_values = ", ".join(f"'{value}'" for value in kind.ended_values)
    arrays = [(_ARRAYS[type_], name) for name, type_ in types.items()] + list(_LAST_ARRAYS)
    return {
        "name": kind.name,
        "table": kind.table,
        "row_id": kind.row_id_column,
        "stripe_id": kind.stripe_id_column,
        "id_pattern": kind.id_prefix.replace("_", r"\_") + "%",
        "ended_by": kind.ended_by,
        "ended_values": ended_values,
        "outlives": f"u.deleted_at IS NOT NULL\n        AND NOT u.lives_in_stripe\n        AND s.{kind.ended_by} NOT IN ({ended_values})"
        if kind.ends_with_customer
        else "FALSE",
        "columns": ", ".join(types),
        "parameters": "\n".join(
            f"-- ${place} {type_}[]: {meaning}" for place, (type_, meaning) in enumerate(arrays, 3)
        ),
        "arrays": ", ".join(f"${place}::TEXT::{type_}[]" for place, (type_, _) in enumerate(arrays, 3)),
        "inserted": _listed(_inserted(name, type_) for name, type_ in types.items()),
        "updated": _listed(f"{name} = {_updated(kind, name, type_)}" for name, type_ in types.items()),
        "erased": _listed(_erased(kind)),
        "selected": _listed(_selected(name, type_) for name, type_ in types.items()),
        "shown": _listed(
            f"s.{name}"
            for name, type_ in types.items()
            if type_ not in {ColumnType.JSON, ColumnType.METADATA}
        ),
    }


def _listed(expressions: Iterable[str]) -> str:
    return ",\n    ".join(expressions)


def _inserted(name: str, type_: ColumnType) -> str:
    return f"to_timestamp(new.{name})" if type_ is ColumnType.TIME else f"new.{name}"


def _updated(kind: Kind, name: str, type_: ColumnType) -> str:
    if type_ is ColumnType.METADATA:
        return f"coalesce(new.{name}, {kind.table}.{name})"
    return _inserted(name, type_)


def _erased(kind: Kind) -> list[str]:
    blank = (
        (name, "NULL" if value is None else f"'{value}'") for name, value in kind.personal_columns.items()
    )
    return [*(f"{name} = {value}" for name, value in blank), "synced_at = now()"]


def _selected(name: str, type_: ColumnType) -> str:
    return f"extract(EPOCH FROM s.{name})::BIGINT AS {name}" if type_ is ColumnType.TIME else f"s.{name}"
