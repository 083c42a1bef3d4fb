"""Statements that take many rows name their columns, and are given columns by these names."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from cogento.store.letter_records import LetterFilter
from cogento.store.rows import named_arrays
from schema.queries import column_names, names, query

STATEMENT = """
SELECT new.id
FROM unnest($1::TEXT::VARCHAR[], $2::TEXT::BIGINT[]) AS new (
    id,
    second
)
"""


def test_columns_are_named_in_the_order_of_the_parameters() -> None:
    assert column_names(STATEMENT) == ("id", "second")


def test_columns_are_written_in_the_order_that_the_statement_names() -> None:
    assert named_arrays(STATEMENT, {"second": [7], "id": ["evt_1"]}) == ['{"evt_1"}', "{7}"]


@pytest.mark.parametrize("given", [{"id": ["evt_1"]}, {"id": ["evt_1"], "second": [7], "third": [0]}])
def test_columns_that_are_missing_or_that_nothing_takes_are_refused(given: dict[str, list[object]]) -> None:
    with pytest.raises(ValueError, match="second"):
        named_arrays(STATEMENT, given)


def test_a_column_of_another_name_is_refused() -> None:
    with pytest.raises(KeyError, match="second"):
        named_arrays(STATEMENT, {"id": ["evt_1"], "seconds": [7]})


@pytest.mark.parametrize("name", names())
def test_what_is_shared_stands_in_the_text_that_is_sent(name: str) -> None:
    assert "-- include" not in query(name)


def test_what_is_shared_is_indented_as_its_place() -> None:
    assert "    AND (NOT $9::BOOLEAN OR removal)\n    AND ($10::BIGINT" in query("dead_letters_list")


def test_the_filter_of_letters_is_given_in_the_order_that_its_text_names() -> None:
    named = re.findall(r"-- \$\d+ [A-Z]+(?:\[\])?: (\w+)", query("dead_letters_list"))
    assert named[2:] == [field.name for field in fields(LetterFilter)]  # the first two are the list's own
