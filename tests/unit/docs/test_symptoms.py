"""docs/symptoms.md quotes what the receiver and `cogento status` really say."""

from __future__ import annotations

import re
from pathlib import Path

from cogento.console import attention

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "symptoms.md").read_text()
RECEIVER = (DOCS / "receiver.md").read_text()


def test_labels_of_the_status_are_its_own() -> None:
    named = set(re.findall(r"`cogento status` says \*([a-z ]+)\*", PAGE))
    source = Path(attention.__file__).read_text()

    assert len(named) > 3
    assert [label for label in named if f'"{label}"' not in source] == []


def test_codes_of_answers_are_those_of_the_receiver() -> None:
    named = re.findall(r"^\| (?:deliveries fail with \d+ )?`([a-z]+_[a-z_]+)` \|", PAGE, re.MULTILINE)

    assert len(named) > 4
    assert set(named) <= set(re.findall(r"^\| `(\w+)` \| \d+ \|", RECEIVER, re.MULTILINE))
