"""The schema of the tables: what may be one, and how the database's URL carries it."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from cogento.database_schema import for_people, internal_schema, search_path, split_schema, with_schema
from cogento.settings import DatabaseSettings, load

URL = "postgresql://u:p%40%2F@[::1]:5432/a%20b"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("Billing", "small letters"),
        ("1st", "begins with no digit"),
        ('a"; DROP SCHEMA public', "small letters"),
        ("a, b", "small letters"),
        ("a" * 55, "at most 54"),
        ("pg_toast", "PostgreSQL's own"),
        ("information_schema", "PostgreSQL's own"),
    ],
)
def test_what_cannot_be_a_schema_is_one_line_and_exit_78(
    given: str, complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("DATABASE_SCHEMA", given)
    with pytest.raises(SystemExit) as ended:
        load(DatabaseSettings)
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 78
    assert line.startswith("cogento: DATABASE_SCHEMA is not usable: ")
    assert complaint in line


@pytest.mark.parametrize("query", ["", "?sslmode=require", "?options=-cgeqo%3Doff&sslmode=require"])
@pytest.mark.parametrize("schema", ["public", "billing", "select", "a" * 54])
def test_the_url_that_settings_give_says_the_schema_and_is_otherwise_as_it_was(
    schema: str, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", URL + query)
    monkeypatch.setenv("DATABASE_SCHEMA", schema)
    given = load(DatabaseSettings).database_url.get_secret_value()
    assert split_schema(given) == (URL + query, schema)
    assert with_schema(given, "other") == with_schema(URL + query, "other")


def test_without_a_schema_the_url_says_nothing_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    assert load(DatabaseSettings).database_url.get_secret_value() == URL


def test_people_are_given_a_url_that_psql_takes() -> None:
    shown = conninfo_to_dict(for_people(with_schema(f"{URL}?sslmode=require", "billing")))
    assert (shown["options"], shown["sslmode"]) == ("-csearch_path=billing", "require")
    assert for_people(URL) == URL


def test_the_machinery_has_a_schema_beside_that_of_the_tables() -> None:
    assert [internal_schema("public"), internal_schema("billing")] == ["cogento_internal", "billing_internal"]
    assert search_path("select") == '"select_internal", "select", pg_temp'
