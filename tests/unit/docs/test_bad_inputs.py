"""docs/bad-inputs.md lists the bad inputs that the tests send, and no others."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "bad-inputs.md").read_text()
RECEIVER = (
    "support/receiver_contract.py",
    "integration/test_bad_inputs.py",
    "integration/receiver/test_flask.py",
)
SENDERS = (
    *RECEIVER,
    "support/bad_inputs.py",
    "integration/receiver/test_start.py",
    "unit/receiver/test_signature.py",
    "unit/receiver/test_reading.py",
)


def texts(senders: tuple[str, ...]) -> str:
    return "\n".join((ROOT / "tests" / sender).read_text() for sender in senders)


def numbers(pattern: str, text: str) -> set[int]:
    return {int(number) for number in re.findall(pattern, text, re.MULTILINE)}


def test_every_row_of_the_page_is_sent_by_a_test() -> None:
    assert numbers(r"^\| B(\d+) \|", PAGE) - numbers(r"(?:\bdef test_b|\bB)(\d+)", texts(SENDERS)) == set()


def test_every_bad_input_that_a_test_of_the_receiver_names_has_a_row() -> None:
    assert numbers(r"(?:\bdef test_b|\"B)(\d+)", texts(RECEIVER)) <= numbers(r"^\| B(\d+) \|", PAGE)
