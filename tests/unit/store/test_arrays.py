"""Arrays for Postgres, as text."""

from __future__ import annotations

from uuid import UUID

from cogento.store.arrays import array, arrays


def test_every_text_is_quoted_and_only_quotes_and_backslashes_are_escaped() -> None:
    assert array(["a,b", "{}", "NULL", "", 'say "\\n"', "line\nend\t\x01"]) == (
        '{"a,b","{}","NULL","","say \\"\\\\n\\"","line\nend\t\x01"}'
    )


def test_what_is_no_text_stands_as_postgres_reads_it() -> None:
    id_ = UUID("00000000-0000-4000-8000-000000000001")
    assert array([None, 7, True, id_, b"\xff"]) == f'{{null,7,true,"{id_}","/w=="}}'


def test_rows_become_one_array_a_column() -> None:
    assert list(arrays([("a", 1), ("b", None)])) == ['{"a","b"}', "{1,null}"]


def test_no_values_are_an_empty_array() -> None:
    assert array([]) == "{}"
