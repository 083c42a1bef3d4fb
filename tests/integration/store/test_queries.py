"""Every named query, of each kind of object: understood by the server, and explained."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cogento.store.kind_queries import sent
from schema.queries import names

every_query = pytest.mark.parametrize(
    "query", [pytest.param(text, id=name) for name in names() for text in sent(name)]
)


@every_query
async def test_postgres_understands_the_query_and_each_parameter_is_explained(
    catalogue: Any, query: str
) -> None:
    prepared = await catalogue.prepare(query)
    explained = re.findall(r"^ *-- \$(\d+) [A-Z]+(?:\[\])?: \S", query, re.MULTILINE)
    assert sorted(map(int, explained)) == list(range(1, len(prepared.get_parameters()) + 1))


@every_query
def test_the_query_opens_with_its_purpose(query: str) -> None:
    assert re.match(r"-- [A-Z][^$]+[.:;]\n", query)
