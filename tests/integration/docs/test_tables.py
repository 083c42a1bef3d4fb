"""README names every column of the tables that people read, and none besides; queries inside sentences run as well."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from cogento.store.table_schemas import FOR_PEOPLE

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
IN_SENTENCES = sorted(
    {
        query
        for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
        for query in re.findall(r"`(SELECT [^`]+)`", page.read_text())
    }
)
SECTION = README[README.index("## The tables") : README.index("```sql", README.index("## The tables"))]
OURS_ALONE = {"evidence", "lives_in_stripe"}
"""What README says may change."""


@pytest.mark.parametrize("table", FOR_PEOPLE)
def test_every_column_of_a_table_is_in_the_readme(database_url: str, table: str) -> None:
    (row,) = (line for line in SECTION.splitlines() if line.startswith(f"| `{table}`"))
    of_all = SECTION[SECTION.rindex("|") :]
    with psycopg.connect(database_url) as connection:
        columns = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s",
            [table],
        ).fetchall()

    named = set(re.findall(r"`(\w+)`", row + of_all))

    assert {name for (name,) in columns} - named - OURS_ALONE == set()


def test_no_column_is_in_the_readme_that_no_table_has(database_url: str) -> None:
    in_rows = re.findall(r"^\| `\w+` \| [^|]+ \| (.+) \|$", SECTION, re.MULTILINE)
    named = {name for row in in_rows for name in re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", row))}
    with psycopg.connect(database_url) as connection:
        columns = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()

    assert named - {name for (name,) in columns} == set()


@pytest.mark.parametrize("query", IN_SENTENCES)
def test_query_inside_a_sentence_runs_on_our_tables(database_url: str, query: str) -> None:
    with psycopg.connect(database_url, options="-csearch_path=public") as connection:
        assert len(connection.execute(query.encode()).fetchall()) <= 1
