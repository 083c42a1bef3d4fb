"""Open psql on the tables of a `cogento run` in this folder: `make psql`, or `make psql SQL='SELECT …'`.

With several accounts the search path is that of the account in COGENTO_ACCOUNT, else of the first. The psql is the one that
comes with the embedded PostgreSQL.
"""

from __future__ import annotations

import os
import sys

from cogento.accounts import in_words
from cogento.cli.accounts import VARIABLE
from cogento.console.local_run import DEFAULT_DATA, read_accounts
from cogento.database_schema import DEFAULT_SCHEMA
from cogento.local.binaries import postgres_binaries


def main(words: list[str]) -> None:
    """Become psql; `words` are its arguments after the database's URL."""
    accounts = read_accounts(DEFAULT_DATA)
    account = os.environ.get(VARIABLE) or next(iter(accounts), "")
    if accounts and account not in accounts:
        raise SystemExit(
            f"{account} is no account of this run, which has {in_words(accounts)}: correct {VARIABLE}."
        )
    facts = accounts.get(account, {})
    if "database_url" not in facts:
        raise SystemExit(f"{DEFAULT_DATA}/run.json names no database: start `make run` in another terminal.")
    if len(accounts) > 1:
        schemas = in_words(f"{name} in {own['database_schema']}" for name, own in accounts.items())
        print(f"Tables of the account {account}. {VARIABLE} chooses another: {schemas}.", file=sys.stderr)
    if (schema := facts["database_schema"]) != DEFAULT_SCHEMA:
        os.environ["PGOPTIONS"] = f"-csearch_path={schema}"
    psql = postgres_binaries(None) / "psql"
    os.execv(psql, [str(psql), facts["database_url"], *words])


if __name__ == "__main__":
    main(sys.argv[1:])
