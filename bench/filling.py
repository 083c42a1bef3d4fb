"""Pages whose words are written by hand and whose figures are generated, between `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def filled(page: str, blocks: Iterable[tuple[str, str]]) -> str:
    """The page with every named block in its place; a block that the page has no place for is left out."""
    for name, made in blocks:
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        page = mark.sub(partial(_between, made), page)
    return page


def _between(made: str, found: re.Match[str]) -> str:
    return f"{found[1]}{made}\n{found[2]}"
