"""docs/bad-inputs.md lists the bad inputs that the tests send, and no others."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "bad-inputs.md").read_text()
SENDERS = (
    "integration/test_bad_inputs.py",
    "support/bad_inputs.py",
    "integration/receiver/test_start.py",
    "unit/receiver/test_signature.py",
    "unit/receiver/test_reading.py",
)
TESTED = "\n".join((ROOT / "tests" / sender).read_text() for sender in SENDERS)


def numbers(pattern: str, text: str) -> set[int]:
    return {int(number) for number in re.findall(pattern, text, re.MULTILINE)}


def test_every_row_of_the_page_is_sent_by_a_test() -> None:
    assert numbers(r"^\| B(\d+) \|", PAGE) - numbers(r"(?:\bdef test_b|\bB)(\d+)", TESTED) == set()


def test_every_bad_input_that_a_test_of_the_receiver_names_has_a_row() -> None:
    sent = (ROOT / "tests" / SENDERS[0]).read_text()
    assert numbers(r"(?:\bdef test_b|\"B)(\d+)", sent) <= numbers(r"^\| B(\d+) \|", PAGE)
