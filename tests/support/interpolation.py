"""Replaces variables in files as Compose does: `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, also nested.

By the Compose Specification (12-interpolation.md), as far as docker-compose.yml uses it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class MissingError(ValueError):
    """A variable that has to be set; the message is the file's."""


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """Replace the variables in all texts of a part of a file."""
    if isinstance(value, dict):
        return {name: interpolated(part, variables) for name, part in value.items()}
    if isinstance(value, list):
        return [interpolated(part, variables) for part in value]
    return _replaced(value, variables) if isinstance(value, str) else value


def _replaced(text: str, variables: Mapping[str, str]) -> str:
    before, begins, rest = text.partition("${")
    if not begins:
        return text
    depth, end = 1, 0
    while depth:
        found = re.compile(r"\$\{|\}").search(rest, end)
        assert found, f"a brace is open in {text}"
        depth += 1 if found[0] == "${" else -1
        end = found.end()
    name, operator, other = re.split(r"(:[-?]|\Z)", rest[: end - 1], maxsplit=1)
    value = variables.get(name, "")
    if not value and operator == ":?":
        raise MissingError(_replaced(other, variables))
    if not value:
        value = _replaced(other, variables)
    return before + value + _replaced(rest[end:], variables)
