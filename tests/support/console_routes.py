"""Every URL that the console answers, from the application itself, so that no new page is left out of tests of all pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.fake_console import fake_console

if TYPE_CHECKING:
    from collections.abc import Mapping

PUBLIC = frozenset({"health", "login", "metrics", "static"})
PART = re.compile(r"<([^<>]+)>")
RULES = tuple(fake_console().url_map.iter_rules())


def rules(method: str, *, without: frozenset[str] = frozenset()) -> list[str]:
    """List the rules of a method, except those of the endpoints `without`."""
    return sorted(
        rule.rule for rule in RULES if method in (rule.methods or ()) and rule.endpoint not in without
    )


def filled(rule: str, pieces: Mapping[str, str] | str) -> list[str]:
    """Write the URLs of a rule: one for each choice of a part, and a piece, by name, for parts that vary freely."""
    found = PART.search(rule)
    if found is None:
        return [rule]
    converter, _, name = found[1].rpartition(":")
    if converter.startswith("any("):
        words = [word.strip(" '") for word in converter[len("any(") : -1].split(",")]
    else:
        words = [pieces if isinstance(pieces, str) else pieces[name]]
    before, after = rule[: found.start()], rule[found.end() :]
    return [f"{before}{word}{rest}" for word in words for rest in filled(after, pieces)]


def addresses(method: str, pieces: Mapping[str, str]) -> list[str]:
    """List the URLs that need a login."""
    return [address for rule in rules(method, without=PUBLIC) for address in filled(rule, pieces)]
