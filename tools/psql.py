"""Open psql on the tables of a `cogento run` in this folder: `make psql`, or `make psql SQL='SELECT …'`.

The psql is the one that came with the embedded PostgreSQL.
"""

from __future__ import annotations

import os
import sys

from cogento.console.local_run import DEFAULT_DATA, read_run
from cogento.database_schema import DEFAULT_SCHEMA
from cogento.local.binaries import postgres_binaries


def main(words: list[str]) -> None:
    """Become psql; `words` are its own, after the database's address."""
    facts = read_run(DEFAULT_DATA)
    if "database_url" not in facts:
        raise SystemExit(f"{DEFAULT_DATA}/run.json names no database: start `make run` in another terminal.")
    if (schema := facts["database_schema"]) != DEFAULT_SCHEMA:
        os.environ["PGOPTIONS"] = f"-csearch_path={schema}"
    psql = postgres_binaries(None) / "psql"
    os.execv(psql, [str(psql), facts["database_url"], *words])


if __name__ == "__main__":
    main(sys.argv[1:])
