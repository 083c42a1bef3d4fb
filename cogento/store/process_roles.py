"""What each process may do in the database, where each has a role of its own: the least that it needs.

The owner migrates, and nobody else changes a table. Workers and consoles write rows. No role may delete users, subscriptions,
letters or activity. Readers, analysts and sign-in, see the tables for people.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from cogento.database_schema import internal_schema
from cogento.store.table_schemas import FOR_PEOPLE, VIEWS_FOR_PEOPLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy as sa

_READ = "SELECT"
_ADD = "SELECT, INSERT"
_WRITE = "SELECT, INSERT, UPDATE"
_ALL = "SELECT, INSERT, UPDATE, DELETE"


class ProcessRole(StrEnum):
    """Who connects: a worker, the console or an operator's command, or whoever reads."""

    WORKER = "worker"
    CONSOLE = "console"
    READER = "reader"


_FOR_PEOPLE = dict.fromkeys(FOR_PEOPLE, _WRITE) | {"user_roles": _ALL}
_CHANGES = {"changes": _READ, "change_feed": _READ}
_OF_BOTH = {
    "cogento_alembic_version": _READ,
    "webhook_events": _WRITE,
    "outcome_totals": _WRITE,
    "dead_letters": _WRITE,
    "write_probe": _WRITE,
    "notices": _ALL,
    "sweep_progress": _WRITE,
    "awaited_events": _ALL,
    **_CHANGES,
    "stripe_objects": _ALL,
}
RIGHTS: Mapping[ProcessRole, tuple[Mapping[str, str], Mapping[str, str]]] = {
    ProcessRole.WORKER: (
        _FOR_PEOPLE,
        _OF_BOTH
        | {
            "webhook_events_default": "SELECT, DELETE",  # what is past retention
            "dead_letter_actions": _ADD,
            "member_statuses": _WRITE,
            "operations": _READ,
            "backfill_progress": _WRITE,  # a sweep that finds a gap
        },
    ),
    ProcessRole.CONSOLE: (
        _FOR_PEOPLE,
        _OF_BOTH
        | {
            "dead_letter_actions": _WRITE,  # reasons that name a person are erased
            "activity": _WRITE,
            "operations": _WRITE,
            "member_statuses": _READ,
            "backfill_progress": _WRITE,
            "backfill_slices": _ALL,
            "backfill_totals": _ALL,
        },
    ),
    ProcessRole.READER: (
        dict.fromkeys((*FOR_PEOPLE, *VIEWS_FOR_PEOPLE), _READ),
        {**_CHANGES, "stripe_objects": _READ},
    ),
}
"""By table, in the schema for people and in the machinery's: everything that a process's role may do."""

FUNCTIONS = {
    ProcessRole.WORKER: (
        "make_ledger_day(DATE)",
        "drop_ledger_day(DATE)",
        "forget_old_activity(INTEGER)",
        "trim_changes(INTEGER, INTEGER)",
    )
}

_MARKED = """
SELECT pg_get_userbyid(grantee)::TEXT, 'worker'
FROM pg_proc, aclexplode(proacl)
WHERE pg_proc.oid = to_regprocedure('make_ledger_day(date)') AND grantee NOT IN (0, proowner)
UNION
SELECT pg_get_userbyid(grantee)::TEXT, 'console'
FROM pg_class, aclexplode(relacl)
WHERE pg_class.oid = to_regclass('activity') AND privilege_type = 'INSERT' AND grantee NOT IN (0, relowner)
"""

_LACKS = """
SELECT bool_or(NOT has_table_privilege($1::TEXT::NAME, relation, verb))
FROM unnest($2::TEXT[], $3::TEXT[]) AS needed (relation, verb)
"""

_MAY_NOT_RUN = """
SELECT coalesce(bool_or(NOT has_function_privilege($1::TEXT::NAME, needed, 'EXECUTE')), FALSE)
FROM unnest($2::TEXT[]) AS needed
"""


def grants(process: ProcessRole, role: str, schema: str) -> list[str]:
    """Return the statements that give a role what its process needs; `role` is quoted where it has to be."""
    internal = internal_schema(schema)
    outside, inside = RIGHTS[process]
    schemas = f'"{schema}", "{internal}"' if inside else f'"{schema}"'
    return [
        f"GRANT USAGE ON SCHEMA {schemas} TO {role}",
        *(
            f'GRANT {verbs} ON "{place}"."{table}" TO {role}'
            for place, rights in ((schema, outside), (internal, inside))
            for table, verbs in rights.items()
        ),
        *(f'GRANT EXECUTE ON FUNCTION "{internal}".{name} TO {role}' for name in FUNCTIONS.get(process, ())),
    ]


def renew(connection: sa.Connection, schema: str) -> None:
    """Give workers' and consoles' roles, where they have their own, what they need of a new release's tables.

    Each is recognised by a right that only it has: the worker's to make the ledger's days, the console's to write activity.
    """
    for role, process in connection.exec_driver_sql(_MARKED).all():
        outside, inside = RIGHTS[ProcessRole(process)]
        needed = [
            (f'"{place}"."{table}"', verb)
            for place, rights in ((schema, outside), (internal_schema(schema), inside))
            for table, verbs in rights.items()
            for verb in verbs.split(", ")
        ]
        tables, verbs = zip(*needed, strict=True)
        functions = [
            f'"{internal_schema(schema)}".{name}' for name in FUNCTIONS.get(ProcessRole(process), ())
        ]
        lacks_rights = connection.exec_driver_sql(_LACKS, (role, list(tables), list(verbs))).scalar_one()
        if lacks_rights or connection.exec_driver_sql(_MAY_NOT_RUN, (role, functions)).scalar_one():
            for statement in grants(ProcessRole(process), quoted(role), schema):
                connection.exec_driver_sql(statement)


def roles_sql(roles: Mapping[ProcessRole, str], schema: str) -> str:
    """Write what makes the roles and gives them their rights, for psql; running it again changes nothing."""
    lines = [
        f"-- Roles for the processes of Cogento's Stripe sync, of the tables in the schema {schema}. Say it after `cogento",
        "-- migrate`, as the tables' owner who may make roles, or as an administrator. Twice is harmless. It sets no password:",
        "-- \\password NAME in psql does. The owner, who migrates, needs no more than the tables.",
    ]
    if schema == "public":
        lines += [
            "",
            "-- As PostgreSQL 15 and newer come. Leave it out where others count on making tables in public.",
            'REVOKE CREATE ON SCHEMA "public" FROM PUBLIC;',
        ]
    for process, role in roles.items():
        name = role.replace("'", "''")
        lines += [
            "",
            f"-- The {process}.",
            f"DO $$BEGIN IF to_regrole(quote_ident('{name}')) IS NULL THEN CREATE ROLE {quoted(role)} LOGIN; END IF; END$$;",
            f"DO $$BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), '{name}'); END$$;",
            *(f"{statement};" for statement in grants(process, quoted(role), schema)),
        ]
    return "\n".join(lines)


def quoted(name: str) -> str:
    """Write a role's name as SQL has it."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
