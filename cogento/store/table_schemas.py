"""Which schema each of our tables is in: those for people in DATABASE_SCHEMA, the machinery in one of its own.

Whoever opens the database sees users, subscriptions and roles, and no hundred partitions. Sessions look in both schemas, the
machinery's first (`cogento/database_schema.py`), so a table may be in either and is found all the same: migrations make tables
in the machinery's schema, where nobody else may, and the tables for people are then moved. Releases before 0012 made everything
in one schema, and look nowhere else. What they left is moved once none of their sessions is connected.

Moving a table rewrites nothing: rows, indexes, grants, and the views on it stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cogento.database_schema import internal_schema
from cogento.events.kinds import KINDS
from cogento.store.connecting import RELEASE_LOCK
from cogento.store.errors import MigrationRefusedError
from schema.migrations import VERSION_TABLE

if TYPE_CHECKING:
    import sqlalchemy as sa

FOR_PEOPLE = (*(kind.table for kind in KINDS), "user_roles")
VIEWS_FOR_PEOPLE = (
    "subscription_items",
    "live_subscriptions",
    "mrr_by_month",
    "churn_by_month",
    "members_by_metadata",
)
ONCE_BESIDE_THEM = (
    VERSION_TABLE,
    "webhook_events",
    "outcome_totals",
    "dead_letters",
    "dead_letter_actions",
    "write_probe",
    "sweep_progress",
    "awaited_events",
    "backfill_progress",
    "backfill_slices",
    "backfill_totals",
    "notices",
    "member_statuses",
    "activity",
    "operations",
)
"""The machinery of the releases before 0012. What later ones made was never anywhere else."""
OLD_VERSION_VIEW = "alembic_version"

_SCHEMA = """
SELECT asked.name, named.oid IS NULL AS is_missing, obj_description(named.oid, 'pg_namespace') AS comment,
       coalesce(pg_has_role(named.nspowner, 'USAGE'), TRUE) AS is_own,
       has_database_privilege(current_database(), 'CREATE') AS may_make,
       to_regclass('cogento_alembic_version') IS NOT NULL OR has_schema_privilege(named.oid, 'CREATE') AS may_use,
       current_user AS current_role
FROM (SELECT $1::NAME AS name) AS asked
LEFT JOIN pg_namespace AS named ON named.nspname = asked.name
"""
_HOLDS = "SELECT to_regclass(format('%I.%I', $1::TEXT, $2::TEXT)) IS NOT NULL"
_ASTRAY = """
SELECT c.relname
FROM pg_class AS c
WHERE c.relnamespace = $1::TEXT::REGNAMESPACE
  AND (c.relname = ANY($3::TEXT[])
       OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('webhook_events')))
  AND c.relkind IN ('r', 'p')
  AND to_regclass(format('%I.%I', $2::TEXT, c.relname)) IS NULL
ORDER BY c.relname
"""
_OLD_SESSIONS = """
SELECT count(*)
FROM pg_stat_activity AS session
WHERE session.datname = current_database()
  AND session.application_name LIKE 'cogento %'
  AND session.application_name <> 'cogento migrate'
  AND NOT EXISTS (
      SELECT FROM pg_locks
      WHERE locktype = 'advisory' AND pid = session.pid AND classid = $1::BIGINT::OID AND objid = $2::BIGINT::OID
  )
"""
_GRANTEES = """
SELECT DISTINCT coalesce(quote_ident(role.rolname), 'PUBLIC')
FROM pg_class AS c
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid
CROSS JOIN aclexplode(c.relacl || a.attacl) AS granted
LEFT JOIN pg_roles AS role ON role.oid = granted.grantee
WHERE c.relnamespace = $1::TEXT::REGNAMESPACE
  AND c.relkind IN ('r', 'p')
  AND granted.grantee <> c.relowner
"""
"""Roles that have a grant on a table; it is worth nothing without one on the table's schema."""
_OLD_VIEW = """
SELECT 1 FROM pg_class
WHERE relnamespace = $1::TEXT::REGNAMESPACE AND relname = $2 AND relkind = 'v'
  AND obj_description(oid, 'pg_class') LIKE '%Cogento%'
"""


def make_schemas(connection: sa.Connection, schema: str) -> None:
    """Make both schemas if they are missing.

    Raises MigrationRefusedError where this user may not, and where the machinery there belongs to tables of another schema.
    """
    internal = internal_schema(schema)
    purpose = f"The machinery of Cogento's Stripe sync, of the tables in the schema {schema}."
    found = {name: connection.exec_driver_sql(_SCHEMA, (name,)).one() for name in (schema, internal)}
    if needed := [statement for at in found.values() if (statement := _grant(at))]:
        raise MigrationRefusedError(
            f"PostgreSQL does not let this user make the tables (permission denied): as the database's owner say "
            f"{'; '.join(needed)}; and migrate again. Nothing was changed."
        )
    if found[internal].comment not in {None, purpose}:
        raise MigrationRefusedError(
            f"The schema {internal} is taken: it belongs to tables of another schema, as its comment says. "
            "Set DATABASE_SCHEMA to another name. Nothing was changed."
        )
    for name, at in found.items():
        if at.is_missing:
            connection.exec_driver_sql(f'CREATE SCHEMA "{name}"')
    if found[internal].comment is None and found[internal].is_own:
        quoted = purpose.replace("'", "''")
        connection.exec_driver_sql(f"COMMENT ON SCHEMA \"{internal}\" IS '{quoted}'")


def _grant(at: Any) -> str | None:
    """Return the statement that the database's owner has to run for a schema that we need; None where this user may do it all."""
    if at.is_missing:
        return None if at.may_make else f'CREATE SCHEMA "{at.name}" AUTHORIZATION "{at.current_role}"'
    return None if at.may_use else f'GRANT CREATE ON SCHEMA "{at.name}" TO "{at.current_role}"'


def arrange(connection: sa.Connection, schema: str) -> int:
    """Move every table where it belongs, in the transaction of the connection.

    Returns how many sessions of earlier releases kept the machinery where it was.
    """
    internal = internal_schema(schema)
    for table in (*FOR_PEOPLE, *VIEWS_FOR_PEOPLE):
        if connection.exec_driver_sql(_HOLDS, (internal, table)).scalar_one():
            connection.exec_driver_sql(f'ALTER TABLE "{internal}"."{table}" SET SCHEMA "{schema}"')

    astray = connection.exec_driver_sql(_ASTRAY, (schema, internal, list(ONCE_BESIDE_THEM))).scalars().all()
    old_sessions = connection.exec_driver_sql(_OLD_SESSIONS, RELEASE_LOCK).scalar_one() if astray else 0
    if not astray or old_sessions:
        return int(old_sessions)
    for table in astray:
        connection.exec_driver_sql(f'ALTER TABLE "{schema}"."{table}" SET SCHEMA "{internal}"')
    for (grantee,) in connection.exec_driver_sql(_GRANTEES, (internal,)).all():
        connection.exec_driver_sql(f'GRANT USAGE ON SCHEMA "{internal}" TO {grantee}')
    if connection.exec_driver_sql(_OLD_VIEW, (schema, OLD_VERSION_VIEW)).first() is not None:
        connection.exec_driver_sql(f'DROP VIEW "{schema}".{OLD_VERSION_VIEW}')
    return 0
