"""Finds secrets and persons' names, addresses and numbers in whatever leaves us: logs, metrics, lists, error reports.

A person's name may be short and common, so it counts only as a whole word, in each spelling that a log may have. There may be
very many persons, so the log is split into words first, and these are compared.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

WORD = re.compile(r"\w+")


def leaks(content: bytes, *, secrets: Collection[str], persons: Collection[str]) -> Iterator[str]:
    """Name the secrets and the persons' addresses, names and numbers that stand there."""
    text = content.decode(errors="replace")
    yield from sorted(secret for secret in secrets if any(one in text for one in spellings(secret)))
    words = set(WORD.findall(text))
    yield from sorted(person for person in persons if _is_told(person, text, words))


def spellings(value: str) -> set[str]:
    """As it is, and as JSON, Python and URLs escape it."""
    return {value, json.dumps(value)[1:-1], ascii(value)[1:-1], quote(value)}


def passwords(*urls: str) -> set[str]:
    """The passwords in the URLs of servers."""
    return {unquote(parts.password) for parts in map(urlsplit, urls) if parts.password}


def _is_told(person: str, text: str, words: Collection[str]) -> bool:
    return any(
        all(word in words for word in WORD.findall(spelling))
        and re.search(rf"(?<!\w){re.escape(spelling)}(?!\w)", text)
        for spelling in spellings(person)
    )
