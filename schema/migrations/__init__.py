"""Our migrations: one file of plain SQL each, run as it stands, whatever colons and percent signs it holds.

Their state is in a table of our own, for every other Alembic calls its own `alembic_version`.
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

    Past SQLAlchemy, which prepares what it sends, and nothing of several statements can be prepared.
    """
    driver = cast("Any", connection.connection.dbapi_connection)
    driver.run_async(lambda session: session.execute(statements))
