"""The triggers that record and announce what changes in the tables for people, where CHANGES is on.

Triggers, because they miss no writer: batches, backfills, repairs, roles, somebody in psql, and the release before
that still runs (docs/decisions/0052). They watch the columns that people look at; a new value in a column that only orders
events is no change. Where CHANGES is off there are no triggers and no cost. Only `cogento migrate` may make and drop them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cogento.events.kinds import CUSTOMER, OWNED_KINDS
from schema.migrations import run_statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy as sa

    from cogento.events.kinds.kind import Kind

_FOLDER = Path(__file__).parents[2] / "schema" / "changes"
_FUNCTION = (_FOLDER / "function.sql").read_text(encoding="utf-8")
_TRIGGERS = (_FOLDER / "triggers.sql").read_text(encoding="utf-8")
_NAME = re.compile(r"\{([a-z_]+)\}")

_IS_THERE = "SELECT to_regclass('change_feed') IS NOT NULL"
_IS_ON = "SELECT is_on FROM change_feed"
_SWITCH = """
UPDATE change_feed
SET is_on = $1::BOOLEAN,
    switched_at = now(),
    complete_after = CASE
        WHEN $1::BOOLEAN THEN nextval(pg_get_serial_sequence('changes', 'change_id'))
        ELSE complete_after
    END
"""
_PURPOSE_THERE = """
SELECT obj_description(oid, 'pg_trigger')
FROM pg_trigger
WHERE tgrelid = to_regclass($1) AND tgname = 'announce_updates'
"""
_TRIGGERS_THERE = """
SELECT t.tgname AS name, t.tgrelid::REGCLASS::TEXT AS table, t.tgfoid::REGPROCEDURE::TEXT AS function
FROM pg_trigger AS t
INNER JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE t.tgname IN ('announce_rows', 'announce_updates') AND p.pronamespace = current_schema()::REGNAMESPACE
"""

_OWNERS_CUSTOMER = "(SELECT u.stripe_customer_id FROM users AS u WHERE u.user_id = change.user_id)"
_OWN_EVENT = "nullif(NEW.last_webhook_event_id, OLD.last_webhook_event_id)"


@dataclass(frozen=True, slots=True)
class _AnnouncedTable:
    """A table whose changes are announced: its columns that count, and the values recorded with a change, in SQL over OLD and NEW."""

    name: str
    kind: str
    columns: tuple[str, ...]
    recorded: Mapping[str, str]

    def completed(self, template: str) -> str:
        """Complete the SQL of a template; values that this table does not have are NULL."""
        differs = [f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in self.columns]
        cases = [
            f"CASE WHEN {one} THEN '{name}' END" for one, name in zip(differs, self.columns, strict=True)
        ]
        words = {
            "table": self.name,
            "kind": self.kind,
            "differs": "\n    OR ".join(differs),
            "differing": ",\n            ".join(cases),
            "purpose": self.purpose,
            **self.recorded,
        }
        return _NAME.sub(lambda name: words.get(name[1], "NULL"), template)

    @property
    def purpose(self) -> str:
        """The comment on its trigger, by which a trigger for other columns is recognised."""
        return f"Announces changes of {', '.join(self.columns)}."


def are_on(connection: sa.Connection) -> bool:
    """Tell whether changes are announced; False for tables of a release that had no changes."""
    is_there = connection.exec_driver_sql(_IS_THERE).scalar_one()
    return bool(is_there and connection.exec_driver_sql(_IS_ON).scalar_one())


def arrange(connection: sa.Connection, *, switch: bool | None) -> None:
    """Make or drop the triggers, in the transaction of the connection.

    With None the switch stays as it is, and the triggers are fitted to this release's tables. Where the tables are of a release
    without changes there is nothing to do.
    """
    was_on = are_on(connection)
    is_on = was_on if switch is None else switch
    if not connection.exec_driver_sql(_IS_THERE).scalar_one():
        return
    if is_on:
        for table in _announced_tables():
            _make(connection, table)
    elif was_on:
        _drop_all(connection)
    if is_on is not was_on:
        connection.exec_driver_sql(_SWITCH, (is_on,))


def _make(connection: sa.Connection, table: _AnnouncedTable) -> None:
    """Make the function, and the triggers only where they differ: making them waits for everybody who writes to the table."""
    run_statements(connection, table.completed(_FUNCTION))
    if connection.exec_driver_sql(_PURPOSE_THERE, (table.name,)).scalar() != table.purpose:
        run_statements(connection, table.completed(_TRIGGERS))


def _drop_all(connection: sa.Connection) -> None:
    """Drop every trigger of ours, a newer release's included."""
    triggers = connection.exec_driver_sql(_TRIGGERS_THERE).all()
    for name, table, _ in triggers:
        connection.exec_driver_sql(f"DROP TRIGGER {name} ON {table}")
    for function in {function for _, _, function in triggers}:
        connection.exec_driver_sql(f"DROP FUNCTION {function}")


def _announced_tables() -> tuple[_AnnouncedTable, ...]:
    """Describe every table for people, in the order in which batches lock them."""
    shown_of_users = [name for name in CUSTOMER.column_types() if name != "deleted"]
    users = _AnnouncedTable(
        name=CUSTOMER.table,
        kind=CUSTOMER.name,
        columns=("email", *shown_of_users, "deleted_at", "forgotten_at", "unsure"),
        recorded={
            "customer_id": _either("stripe_customer_id"),
            "object_id": _either("stripe_customer_id"),
            "event_id": _OWN_EVENT,
        },
    )
    roles = _AnnouncedTable(
        name="user_roles",
        kind="role",
        columns=("granted_by",),
        recorded={"customer_id": _OWNERS_CUSTOMER, "role": _either("role")},
    )
    return (users, *map(_of_objects, OWNED_KINDS), roles)


def _of_objects(kind: Kind) -> _AnnouncedTable:
    return _AnnouncedTable(
        name=kind.table,
        kind=kind.name,
        columns=("user_id", *kind.column_types(), "unsure"),
        recorded={
            "customer_id": _OWNERS_CUSTOMER,
            "row_id": _either(kind.row_id_column),
            "object_id": _either(kind.stripe_id_column),
            "status_before": f"OLD.{kind.ended_by}",
            "status_after": f"NEW.{kind.ended_by}",
            "event_id": _OWN_EVENT,
        },
    )


def _either(column: str) -> str:
    """Write the SQL of a column's value: the old row's where the row was deleted."""
    return f"coalesce(NEW.{column}, OLD.{column})"
