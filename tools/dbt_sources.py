"""Print deploy/dbt/sources.yml, the sources for dbt, from the tables themselves: columns, types and comments.

    python -m tools.dbt_sources "$DATABASE_URL"

The database has to be migrated, in the schema `public`; a test compares the file with such a database.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from cogento.store.table_schemas import FOR_PEOPLE, VIEWS_FOR_PEOPLE

PATH = Path(__file__).parents[1] / "deploy" / "dbt" / "sources.yml"

OPENING = """\
# Sources for dbt: the tables and views that are made for reading. Copy it into a folder of models, and set the schema if
# DATABASE_SCHEMA is not public. Made by `python -m tools.dbt_sources`.
version: 2

sources:
  - name: cogento
    description: Customers, subscriptions and roles, as they are in Stripe; amounts in the smallest unit of their currency.
    schema: public
    loaded_at_field: synced_at
    tables:
"""

_RELATIONS = """
SELECT c.oid, c.relname AS name, obj_description(c.oid, 'pg_class') AS says
FROM pg_class AS c
WHERE c.relnamespace = 'public'::REGNAMESPACE AND c.relname = ANY(%s)
ORDER BY array_position(%s, c.relname::TEXT)
"""
_COLUMNS = """
SELECT
    a.attname AS name,
    format_type(a.atttypid, a.atttypmod) AS type,
    col_description(a.attrelid, a.attnum) AS says,
    a.attnotnull AS required,
    EXISTS (
        SELECT FROM pg_index AS i
        WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indpred IS NULL AND i.indkey::TEXT = a.attnum::TEXT
    ) AS is_unique
FROM pg_attribute AS a
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


def sources(connection: psycopg.Connection) -> str:
    """Describe every table and view for people of a database."""
    cursor = connection.cursor(row_factory=dict_row)
    names = [*FOR_PEOPLE, *VIEWS_FOR_PEOPLE]
    lines = []
    for relation in cursor.execute(_RELATIONS, (names, names)).fetchall():
        lines += [
            f"      - name: {relation['name']}",
            f"        description: {json.dumps(relation['says'], ensure_ascii=False)}",
        ]
        if relation["name"] not in {"users", "subscriptions"}:
            lines.append("        loaded_at_field: null")
        lines.append("        columns:")
        for column in cursor.execute(_COLUMNS, (relation["oid"],)).fetchall():
            lines += [
                f"          - name: {column['name']}",
                f"            description: {json.dumps(column['says'], ensure_ascii=False)}",
                f"            data_type: {column['type']}",
            ]
            held = [
                *(["not_null"] if column["required"] else []),
                *(["unique"] if column["is_unique"] else []),
            ]
            if held:
                lines.append(f"            data_tests: [{', '.join(held)}]")
    return OPENING + "\n".join(lines) + "\n"


if __name__ == "__main__":
    with psycopg.connect(sys.argv[1]) as migrated:
        PATH.parent.mkdir(exist_ok=True)
        PATH.write_text(sources(migrated), encoding="utf-8")
