from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).parents[3]
BLOCKS = [
    block
    for page in ("README.md", "docs/reporting.md", "docs/application-authors.md", "docs/sign-in.md")
    for block in re.findall(r"```sql\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)
]
STATEMENTS = [statement.strip() for block in BLOCKS for statement in block.split(";") if statement.strip()]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_query_on_the_page_runs_on_our_tables(database_url: str, statement: str) -> None:
    with psycopg.connect(database_url, options="-csearch_path=public") as connection:
        assert connection.execute(statement.encode()).fetchall() == []
