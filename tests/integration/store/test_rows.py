"""Whatever text Postgres can hold comes through an array as it was."""

from __future__ import annotations

from typing import Any

from cogento.store.rows import array

TEXTS = [
    *map(chr, range(1, 256)),
    *(f"\\{chr(code)}" for code in range(1, 128)),
    "\\u000a",
    '"\\\n',
    "NULL",
    "{a,b}",
    " padded ",
    "\U0001f600\u2028",
    None,
]


async def test_every_text_comes_through_as_it_was(sql: Any) -> None:
    assert await sql.fetchval("SELECT $1::TEXT::VARCHAR[]", array(TEXTS)) == TEXTS


async def test_json_comes_through_as_it_was(sql: Any) -> None:
    written = array(['{"a":"\\n\\\\\\""}'])
    assert await sql.fetchval("SELECT ($1::TEXT::JSONB[])[1] ->> 'a'", written) == '\n\\"'


async def test_bytes_come_through_as_they_were(sql: Any) -> None:
    every_byte = bytes(range(256))
    written = array([every_byte])
    assert await sql.fetchval("SELECT decode(($1::TEXT::TEXT[])[1], 'base64')", written) == every_byte
