"""Every named query: understood by the server, and explained."""

from __future__ import annotations

import re
from typing import Any

import pytest

from schema.queries import names, query


@pytest.mark.parametrize("name", names())
async def test_postgres_understands_the_query_and_each_parameter_is_explained(
    catalogue: Any, name: str
) -> None:
    prepared = await catalogue.prepare(query(name))
    explained = re.findall(r"^ *-- \$(\d+) [A-Z]+(?:\[\])?: \S", query(name), re.MULTILINE)
    assert sorted(map(int, explained)) == list(range(1, len(prepared.get_parameters()) + 1))


@pytest.mark.parametrize("name", names())
def test_the_query_opens_with_its_purpose(name: str) -> None:
    assert re.match(r"-- [A-Z][^$]+[.:;]\n", query(name))
