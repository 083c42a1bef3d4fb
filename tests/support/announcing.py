"""A database that keeps changes, and those that it kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cogento.store.migrate import migrate

if TYPE_CHECKING:
    from cogento.local.postgres import Postgres
    from tests.support.databases import Administration
    from tests.support.servers import RunningServer


def make_announcing_template(
    administration: Administration, server: RunningServer[Postgres], migrated: str
) -> str:
    """Copy the migrated database and switch its changes on; gives the copy's name, to make others of."""
    name = f"{migrated}_announcing"
    administration.create(name, template=migrated)
    migrate(server.description.url_of(name), changes=True)
    return name


async def kept_changes(sql: Any, *columns: str) -> list[tuple[Any, ...]]:
    """Read these columns of all changes that are kept, in their order."""
    chosen = ", ".join(columns)
    return [tuple(row) for row in await sql.fetch(f"SELECT {chosen} FROM changes ORDER BY change_id")]
