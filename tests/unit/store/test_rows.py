"""Columns read back from Postgres compare equal to those read from events."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from cogento.events.strict_json import canonical_json
from cogento.store.rows import canonical

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
