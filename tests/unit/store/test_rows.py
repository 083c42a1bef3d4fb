"""Rows on their way to Postgres are arrays as text; columns read back compare equal to those read from events."""

from __future__ import annotations

import json
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cogento.events.strict_json import canonical_json
from cogento.store.rows import array, canonical

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON))
def test_json_that_postgres_wrote_is_brought_to_the_form_of_the_columns(value: dict[str, object]) -> None:
    assert canonical(json.dumps(value)) == canonical_json(value)


def test_no_json_stays_none() -> None:
    assert canonical(None) is None


def test_every_text_is_quoted_and_only_quotes_and_backslashes_are_escaped() -> None:
    assert array(["a,b", "{}", "NULL", "", 'say "\\n"', "line\nend\t\x01"]) == (
        '{"a,b","{}","NULL","","say \\"\\\\n\\"","line\nend\t\x01"}'
    )


def test_what_is_no_text_stands_as_postgres_reads_it() -> None:
    id_ = UUID("00000000-0000-4000-8000-000000000001")
    assert array([None, 7, True, id_, b"\xff"]) == f'{{null,7,true,"{id_}","/w=="}}'


def test_no_values_are_an_empty_array() -> None:
    assert array([]) == "{}"
