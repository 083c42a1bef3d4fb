"""What docs/letters.md and README say of reasons and roles is all there is."""

from __future__ import annotations

import re
from pathlib import Path

from cogento.events.letters import LetterReason
from cogento.store.roles import Role

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "letters.md").read_text()
README = (ROOT / "README.md").read_text()


def test_every_reason_is_explained_and_no_other() -> None:
    table = PAGE[PAGE.index("## Reasons") : PAGE.index("## Dealing with them")]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(LetterReason)


def test_every_role_is_in_the_readme() -> None:
    (row,) = (line for line in README.splitlines() if line.startswith("| `user_roles`"))
    assert {role.value for role in Role} <= set(re.findall(r"`(\w+)`", row))
