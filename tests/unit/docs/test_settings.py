from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic_settings import BaseSettings

from cogento import settings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "settings.md").read_text()
ROW = re.compile(r"^\| `(?P<name>[A-Z_]+)` \| [rwcm ]+ \| (?P<default>[^|]*) \| .+ \|$", re.MULTILINE)
DOCUMENTED = {row["name"]: row["default"].strip("` ") for row in ROW.finditer(PAGE)}


def fields() -> dict[str, FieldInfo]:
    """Every environment variable that any process reads; PORT as the receiver has it."""
    kinds = [
        kind for _, kind in inspect.getmembers(settings, inspect.isclass) if issubclass(kind, BaseSettings)
    ]
    found: dict[str, FieldInfo] = {}
    for kind in kinds:
        found.update({name.upper(): field for name, field in kind.model_fields.items()})
    return found


def as_printed(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default in {"", ()}:
        return "none"
    return "unset" if field.default is None else str(field.default).lower()


PAGES = {
    path.name: path.read_text()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
    if path.name != "CHANGELOG.md"
}
OURS = r"\b(?:STRIPE|CONSOLE|MAILBOX|WORKER|WEB|ACK|LEDGER|LEASE|BATCH|METRICS|MEMBER|TRUSTED|REDIS|DATABASE|SENTRY|ALERT|LOG|KEEP)_[A-Z_]+\b"
NO_SETTINGS = {"WORKER_COUNTERS", "DATABASE_CONNECTION_POOL_URL"}
"""A constant in the code, and a variable of Heroku's that a page warns of."""

every_setting = pytest.mark.parametrize("name", sorted(fields()))


@every_setting
def test_setting_is_documented(name: str) -> None:
    assert name in DOCUMENTED


@every_setting
def test_documented_default_is_the_real_one(name: str) -> None:
    assert DOCUMENTED[name].lower() == as_printed(fields()[name])


def test_no_setting_is_documented_that_nothing_reads() -> None:
    assert set(DOCUMENTED) == set(fields())


@pytest.mark.parametrize("page", PAGES)
def test_setting_that_a_page_names_exists(page: str) -> None:
    named = {
        name.partition("__")[0] for name in re.findall(OURS, PAGES[page])
    }  # the rest is an account's name
    assert named - set(DOCUMENTED) - NO_SETTINGS == set()


def test_t25_the_page_says_what_a_pause_of_collection_does_to_members() -> None:
    (row,) = (line for line in PAGE.splitlines() if line.startswith("| `MEMBER_STATUSES`"))
    assert "`pause_collection`" in row
    assert "stays a member" in row
