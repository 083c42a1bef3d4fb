"""Our migrations: one file of plain SQL each, run unchanged, with any colons and percent signs in it.

The revision is kept in a table with a name of our own, because by default every Alembic calls its table `alembic_version`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from alembic import op

if TYPE_CHECKING:
    import sqlalchemy as sa

FOLDER = Path(__file__).parent
VERSION_TABLE = "cogento_alembic_version"


def run_file(name: str) -> None:
    """Run every statement of a revision's file in its transaction."""
    run_statements(op.get_bind(), (FOLDER / "versions" / name).read_text(encoding="utf-8"))


def run_statements(connection: sa.Connection, statements: str) -> None:
    """Run every statement in the transaction that the connection is in.

    It bypasses SQLAlchemy, which prepares what it sends: a text of several statements cannot be prepared.
    """
    driver = cast("Any", connection.connection.dbapi_connection)
    driver.run_async(lambda session: session.execute(statements))
