"""Takes over tables of the owner's shape that another program made and filled.

The tables themselves stay, with their rows, ids, views and grants. Whatever they lack, compared with the tables that our first
migration makes, is added; the later migrations then run as on any database. Nothing is guessed: what cannot be taken over as it
is, for example a missing address or an id that is not a UUID, is named and left to a person.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from cogento import runtime
from cogento.database_schema import internal_schema, search_path, split_schema
from cogento.retries import MIGRATION
from cogento.store import table_schemas
from cogento.store.errors import MigrationRefusedError
from cogento.store.migrate import change_tables, lock_out_others, migrate, upgrade_to
from schema.migrations import VERSION_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator


FIRST_REVISION = "0001"
TABLES = ("users", "subscriptions", "user_roles")
CONVERSIONS = {
    ("text", "character varying"): None,
    ("citext", "character varying"): "{name}::TEXT",
    ("json", "jsonb"): "{name}::JSONB",
    ("text", "jsonb"): "{name}::JSONB",
    ("timestamp without time zone", "timestamp with time zone"): "{name} AT TIME ZONE 'UTC'",
    ("text", "uuid"): "{name}::UUID",
    ("character varying", "uuid"): "{name}::UUID",
}
"""By their type and ours: the SQL that converts a column; None where the column may keep its type."""

_COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
       pg_get_expr(d.adbin, d.adrelid) AS default_value, a.attidentity <> '' OR a.attgenerated <> '' AS is_made,
       col_description(a.attrelid, a.attnum) AS comment,
       t.typtype = 'e' AS is_enum
FROM pg_attribute AS a
INNER JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = format('%I.%I', $1::TEXT, $2::TEXT)::REGCLASS AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_CONSTRAINTS = """
SELECT c.conname AS name, c.contype::TEXT AS kind, pg_get_constraintdef(c.oid) AS definition,
       (SELECT array_agg(attname::TEXT ORDER BY attname) FROM pg_attribute
        WHERE attrelid = c.conrelid AND attnum = ANY(c.conkey)) AS columns,
       c.confrelid::REGCLASS::OID AS refers_oid, (SELECT relname FROM pg_class WHERE oid = c.confrelid) AS refers
FROM pg_constraint AS c
WHERE c.conrelid = format('%I.%I', $1::TEXT, $2::TEXT)::REGCLASS AND c.contype IN ('p', 'u', 'c', 'f')
ORDER BY c.contype <> 'p', c.conname
"""
_INDEXES = """
SELECT i.relname AS name, regexp_replace(pg_get_indexdef(i.oid), '^.* USING ', 'USING ') AS definition,
       x.indisunique AND x.indpred IS NULL AND x.indexprs IS NULL AS is_unique,
       EXISTS (SELECT FROM pg_constraint WHERE conindid = i.oid AND conrelid = x.indrelid) AS is_constraint,
       (SELECT array_agg(attname::TEXT ORDER BY attname) FROM pg_attribute
        WHERE attrelid = x.indrelid AND attnum = ANY(x.indkey::INT2[])) AS columns
FROM pg_index AS x
INNER JOIN pg_class AS i ON i.oid = x.indexrelid
WHERE x.indrelid = format('%I.%I', $1::TEXT, $2::TEXT)::REGCLASS
ORDER BY i.relname
"""
_OPTIONS = """
SELECT array_to_string(reloptions, ', ') AS options, obj_description(oid, 'pg_class') AS comment
FROM pg_class WHERE oid = format('%I.%I', $1::TEXT, $2::TEXT)::REGCLASS
"""
_TRIGGERS = """
SELECT tgname FROM pg_trigger WHERE tgrelid = format('%I.%I', $1::TEXT, $2::TEXT)::REGCLASS AND NOT tgisinternal
"""
_KIND = "SELECT relkind::TEXT FROM pg_class WHERE oid = to_regclass(format('%I.%I', $1::TEXT, $2::TEXT))"


BAD_ROWS = (
    (
        ["users"],
        "SELECT count(*) FROM users WHERE email IS NULL OR email = ''",
        "rows of users have no email: give each a unique one",
    ),
    (
        ["users"],
        "SELECT count(*) FROM users WHERE stripe_customer_id IS NULL",
        "rows of users have no stripe_customer_id: give each a unique one",
    ),
    (
        ["users"],
        "SELECT count(*) FROM (SELECT FROM users GROUP BY user_id HAVING count(*) > 1) AS twice",
        "values of users.user_id occur more than once",
    ),
    (
        ["users"],
        "SELECT count(*) FROM (SELECT FROM users GROUP BY email HAVING count(*) > 1) AS twice",
        "values of users.email occur more than once",
    ),
    (
        ["users"],
        "SELECT count(*) FROM (SELECT FROM users GROUP BY stripe_customer_id HAVING count(*) > 1) AS twice",
        "values of users.stripe_customer_id occur more than once",
    ),
    (
        ["subscriptions"],
        "SELECT count(*) FROM subscriptions WHERE stripe_subscription_id IS NULL OR status IS NULL",
        "rows of subscriptions have no stripe_subscription_id or no status",
    ),
    (
        ["subscriptions"],
        "SELECT count(*) FROM (SELECT FROM subscriptions GROUP BY stripe_subscription_id HAVING count(*) > 1) AS twice",
        "values of subscriptions.stripe_subscription_id occur more than once",
    ),
    (
        ["subscriptions", "users"],
        "SELECT count(*) FROM subscriptions WHERE NOT EXISTS (SELECT FROM users WHERE users.user_id = subscriptions.user_id)",
        "rows of subscriptions are of nobody in users",
    ),
    (
        ["user_roles", "users"],
        "SELECT count(*) FROM user_roles WHERE NOT EXISTS (SELECT FROM users WHERE users.user_id = user_roles.user_id)",
        "rows of user_roles are of nobody in users",
    ),
    (
        ["user_roles"],
        "SELECT count(*) FROM user_roles WHERE role::TEXT NOT IN ('superuser', 'admin', 'user', 'member')",
        "rows of user_roles have a role that is none of superuser, admin, user and member",
    ),
    (
        ["user_roles"],
        "SELECT count(*) FROM (SELECT FROM user_roles GROUP BY user_id, role HAVING count(*) > 1) AS twice",
        "roles of user_roles are granted more than once to the same user",
    ),
)
"""Rows that our constraints would refuse: the tables concerned, the query that counts the rows, and the problem in words."""
BELIEVE_EMAILS = r"""
UPDATE users SET stripe_email = email
WHERE stripe_email IS NULL AND stripe_customer_id LIKE 'cus\_%' AND email NOT LIKE '%@placeholder.invalid'
"""


@dataclass(frozen=True, slots=True)
class Adoption:
    """What is done to take the tables over: rows by table, steps in words, and what stays as it is."""

    rows: dict[str, int]
    steps: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)


class AdoptionRefusedError(MigrationRefusedError):
    """The tables cannot be taken over as they are; `problems` says why, each with what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def adopt(database_url: str, *, is_rehearsal: bool) -> Adoption:
    """Take over the tables in the schema of the URL, and migrate them; a rehearsal changes nothing.

    Raises AdoptionRefusedError, and what `migrate` raises.
    """
    _, schema = split_schema(database_url)
    change = partial(_adopt, schema=schema, is_rehearsal=is_rehearsal)
    deadline = time.monotonic() + MIGRATION.limit_seconds
    adoption = runtime.run(change_tables(database_url, change, deadline=deadline))
    if not is_rehearsal:
        migrate(database_url)  # only the ledger's days are left to make
    return adoption


def _adopt(connection: sa.Connection, *, schema: str, is_rehearsal: bool) -> Adoption:
    lock_out_others(connection, schema)
    if connection.exec_driver_sql("SELECT to_regclass($1) IS NOT NULL", (VERSION_TABLE,)).scalar_one():
        raise AdoptionRefusedError(
            [f"The tables in the schema {schema} are ours already: `cogento migrate` brings them up to date."]
        )
    table_schemas.make_schemas(connection, schema)
    upgrade_to(connection, FIRST_REVISION)
    adoption = _take_over(connection, schema, is_rehearsal=is_rehearsal)
    if not is_rehearsal:
        upgrade_to(connection, "head")
        table_schemas.arrange(connection, schema)
        connection.commit()
    return adoption


def _take_over(connection: sa.Connection, schema: str, *, is_rehearsal: bool) -> Adoption:
    """Bring their tables to the shape of the first revision's, which were just made beside them, and drop those."""
    internal = internal_schema(schema)
    theirs = [table for table in TABLES if _kind(connection, schema, table) is not None]
    if problems := list(_obstacles(connection, schema, theirs)):
        raise AdoptionRefusedError(problems)
    rows = {table: _count(connection, schema, table) for table in theirs}
    adoption = Adoption(rows)
    change = _Change(connection, schema, internal, adoption, is_rehearsal=is_rehearsal)
    for table in theirs:
        change.columns(table)
    if problems := change.problems or _bad_rows(connection, schema, theirs):
        raise AdoptionRefusedError(problems)
    for table in theirs:
        change.constraints(table)
        change.rest(table)

    # Drop our copies of their tables. Tables that only we have must refer to theirs first.
    for table in (table for table in TABLES if table not in theirs):
        change.refer_to_theirs(table)
    names = ", ".join(f'"{internal}"."{table}"' for table in theirs)
    change.do(None, f"DROP TABLE {names}")

    # Until a backfill has asked Stripe, the other program's address counts as the one in Stripe.
    change.do("users: take each email as the one that Stripe has, until the backfill", BELIEVE_EMAILS)
    return adoption


def _obstacles(connection: sa.Connection, schema: str, theirs: list[str]) -> Iterator[str]:
    if "users" not in theirs:
        yield f"There is no table users in the schema {schema}: `cogento migrate` makes the tables."
    for table in theirs:
        if _kind(connection, schema, table) != "r":
            yield f"{table} is no ordinary table: only those can be taken over."


def _bad_rows(connection: sa.Connection, schema: str, theirs: list[str]) -> list[str]:
    """Say which rows the constraints would refuse, by table and number."""
    connection.exec_driver_sql(f'SET LOCAL search_path = "{schema}"')
    found = [
        f"{count} {complaint}."
        for tables, query, complaint in BAD_ROWS
        if set(tables) <= {*theirs} and (count := connection.exec_driver_sql(query).scalar_one())
    ]
    connection.exec_driver_sql(f"SET LOCAL search_path = {search_path(schema)}")
    return found


@dataclass(slots=True)
class _Change:
    """Notes each step and, except in a rehearsal, does it."""

    connection: sa.Connection
    schema: str
    internal: str
    adoption: Adoption
    is_rehearsal: bool
    problems: list[str] = field(default_factory=list)

    def do(self, step: str | None, statement: str | sa.Update) -> None:
        """Do one step; None as its name means that it is too small to be listed."""
        if not self.is_rehearsal:
            if isinstance(statement, str):
                self.connection.exec_driver_sql(statement)
            else:
                self.connection.execute(statement)
        if step:
            self.adoption.steps.append(step)

    def columns(self, table: str) -> None:
        """Add columns that are missing, and bring the others to our types and defaults."""
        ours, theirs = (self._by_name(_COLUMNS, place, table) for place in (self.internal, self.schema))
        alter = f'ALTER TABLE "{self.schema}"."{table}"'
        for name, column in ours.items():
            there = theirs.get(name)
            default = f" DEFAULT {column.default_value}" if column.default_value else ""
            if there is None:
                if column.required and (not default or name.endswith("_id")):
                    self.problems.append(f"{table} has no column {name}: add and fill it.")
                    continue
                required = " NOT NULL" if column.required else ""
                self.do(f"{table}: add {name}", f"{alter} ADD COLUMN {name} {column.type}{default}{required}")
                continue
            if self._convert(table, column, there) and default:
                self.do(None, f"{alter} ALTER COLUMN {name} SET{default}")
            if column.required and not there.required and default:
                filled = sa.table(table, sa.column(name), schema=self.schema)
                self.do(
                    f"{table}: fill {name} where it is NULL",
                    sa.update(filled)
                    .where(filled.c[name].is_(None))
                    .values({name: sa.text(column.default_value)}),
                )
        for name, column in theirs.items():
            if name not in ours and column.required and not column.default_value and not column.is_made:
                self.problems.append(
                    f"{table} has a column {name} of its own that must be filled: give it a default, or let it be NULL."
                )
            elif name not in ours:
                self.adoption.stays.append(f"{table}: your column {name}")

    def _convert(self, table: str, ours: Any, theirs: Any) -> bool:
        wanted, found = ours.type, re.sub(r"\(\d+\)", "", theirs.type)
        if theirs.type == wanted:
            return True
        if found == wanted:  # the same type, of limited length
            using = ours.name
        elif theirs.is_enum and wanted == "character varying":
            using = f"{ours.name}::TEXT"
        elif (found, wanted) in CONVERSIONS:
            using = CONVERSIONS[found, wanted] or ""
        else:
            self.problems.append(f"{table}.{ours.name} is {theirs.type}, and {wanted} is needed: convert it.")
            return False
        if using:
            alter = f'ALTER TABLE "{self.schema}"."{table}" ALTER COLUMN {ours.name}'
            if theirs.default_value:
                self.do(None, f"{alter} DROP DEFAULT")
            self.do(
                f"{table}: make {ours.name} {wanted} (it is {theirs.type})",
                f"{alter} TYPE {wanted} USING {using.format(name=ours.name)}",
            )
        return True

    def constraints(self, table: str) -> None:
        """Make columns NOT NULL where ours are, and add missing keys and checks under our names."""
        alter = f'ALTER TABLE "{self.schema}"."{table}"'
        theirs = self._by_name(_COLUMNS, self.schema, table)
        for name, column in self._by_name(_COLUMNS, self.internal, table).items():
            if column.required and name in theirs and not theirs[name].required:
                self.do(f"{table}: require {name}", f"{alter} ALTER COLUMN {name} SET NOT NULL")
        there = self._by_name(_CONSTRAINTS, self.schema, table)
        indexes = self._by_name(_INDEXES, self.schema, table)
        unique = [index.columns for index in indexes.values() if index.is_unique]
        has_key = any(one.kind == "p" for one in there.values())
        for name, ours in self._by_name(_CONSTRAINTS, self.internal, table).items():
            definition = ours.definition
            if ours.kind == "f":
                definition = self._referring(ours)
                is_there = any(
                    one.kind == "f" and one.columns == ours.columns and one.refers == ours.refers
                    for one in there.values()
                )
            elif ours.kind == "c":
                is_there = any(one.definition == definition for one in there.values())
                if not is_there and name in there:
                    self.do(None, f'{alter} DROP CONSTRAINT "{name}"')
            else:
                is_there = ours.columns in unique
                if ours.kind == "p" and has_key:
                    definition = definition.replace("PRIMARY KEY", "UNIQUE")
                if not is_there and name in indexes and not indexes[name].is_constraint:
                    self.do(
                        None, f'DROP INDEX "{self.schema}"."{name}"'
                    )  # not unique, of the same columns or of none
            if not is_there:
                self.do(f"{table}: add {definition}", f'{alter} ADD CONSTRAINT "{name}" {definition}')

    def rest(self, table: str) -> None:
        """Add indexes, storage parameters and comments."""
        there = self._by_name(_INDEXES, self.schema, table)
        known = {index.definition for index in there.values()}
        for name, index in self._by_name(_INDEXES, self.internal, table).items():
            if not index.is_constraint and index.definition not in known and name not in there:
                self.do(
                    f"{table}: add the index {name}",
                    f'CREATE INDEX "{name}" ON "{self.schema}"."{table}" {index.definition}',
                )
        ours, theirs = (
            self.connection.exec_driver_sql(_OPTIONS, (place, table)).one()
            for place in (self.internal, self.schema)
        )
        if ours.options and not theirs.options:
            self.do(None, f'ALTER TABLE "{self.schema}"."{table}" SET ({ours.options})')
        triggers = self.connection.exec_driver_sql(_TRIGGERS, (self.schema, table)).scalars().all()
        self.adoption.stays.extend(f"{table}: your trigger {name}" for name in triggers)

    def refer_to_theirs(self, table: str) -> None:
        """Point the foreign keys of a table that only we have to their tables."""
        for name, ours in self._by_name(_CONSTRAINTS, self.internal, table).items():
            if ours.kind == "f":
                alter = f'ALTER TABLE "{self.internal}"."{table}"'
                self.do(None, f'{alter} DROP CONSTRAINT "{name}"')
                self.do(None, f'{alter} ADD CONSTRAINT "{name}" {self._referring(ours)}')
        self.adoption.steps.append(f"{table}: make it")

    def _referring(self, constraint: Any) -> str:
        return re.sub(
            r"REFERENCES .*?\(", f'REFERENCES "{self.schema}"."{constraint.refers}"(', constraint.definition
        )

    def _by_name(self, query: str, place: str, table: str) -> dict[str, Any]:
        return {row.name: row for row in self.connection.exec_driver_sql(query, (place, table))}


def _kind(connection: sa.Connection, schema: str, table: str) -> str | None:
    found: str | None = connection.exec_driver_sql(_KIND, (schema, table)).scalar()
    return found


def _count(connection: sa.Connection, schema: str, table: str) -> int:
    counted = sa.select(sa.func.count()).select_from(sa.table(table, schema=schema))
    return int(connection.execute(counted).scalar_one())
