"""docs/retries.md says what the code does: every class, every number, every SQLSTATE."""

from __future__ import annotations

import math
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from cogento.retries import (
    BROKER_PAUSE_SECONDS,
    CIRCUIT,
    INTERVALS,
    LETTER_RETRY,
    LINGER_MS_PER_EVENT,
    MASTER_REST_SECONDS,
    MAX_LINGER_MS,
    MAX_WAKEUP_WINDOW_MS,
    MIGRATION,
    PARKING,
    POLICIES,
    REDIS_CAP_SECONDS,
    REFETCH,
    REQUEST,
    VERIFY,
    WAKEUP_WINDOW_MS,
    FailureClass,
    Policy,
)
from cogento.store.errors import BY_SQLSTATE, BY_SQLSTATE_CLASS, BY_TYPE, PROOF_OF_ABSENCE

PAGE = (Path(__file__).parents[3] / "docs" / "retries.md").read_text()
SECTIONS = {text.partition("\n")[0]: text for text in PAGE.split("\n## ")}
CLASSES, ERRORS = SECTIONS["Classes"], SECTIONS["Which error is which"]
CIRCUIT_TEXT = " ".join(SECTIONS["The circuit"].split())
TABLED: dict[str, Any] = {
    "MIGRATION": MIGRATION,
    "PARKING": PARKING,
    "LETTER_RETRY": LETTER_RETRY,
    "REQUEST": REQUEST,
    "REFETCH": REFETCH,
    "VERIFY": VERIFY,
    "INTERVALS": INTERVALS,
}
NUMBERS = {
    f"{name}.{field}": value for name, policy in TABLED.items() for field, value in asdict(policy).items()
}
UNITS = {86_400: "day", 3600: "h", 60: "min", 1: "s"}
FOUND = [found for found in FailureClass if found not in (FailureClass.BUG, FailureClass.CRASHED_WORKER)]


def row(section: str, failure_class: FailureClass) -> list[str]:
    """The cells of a class's row."""
    (line,) = re.findall(rf"^\| `{failure_class}` \| (.*) \|$", section, flags=re.MULTILINE)
    return [cell.strip() for cell in line.split(" | ")]


def end(policy: Policy) -> str:
    """When it gives up, in words."""
    if math.isinf(policy.attempts_limit):
        return "never"
    attempts = max(int(policy.attempts_limit), 1)
    words = f"{attempts} attempt" + "s" * (attempts > 1)
    return words + f" and {policy.age_limit_seconds} s" * bool(policy.age_limit_seconds)


def told(name: str, value: float) -> str:
    """A number as the page has it: a length of time in its largest whole unit."""
    if not name.endswith("_seconds"):
        return f"{value:g}"
    size = next((size for size in UNITS if value % size == 0), 1)
    many = "s" if size == 86_400 and value > size else ""
    return f"{value / size:g} {UNITS[size]}{many}"


@pytest.mark.parametrize("failure_class", FailureClass)
def test_every_class_has_a_row_with_its_numbers(failure_class: FailureClass) -> None:
    policy = POLICIES[failure_class]
    assert row(CLASSES, failure_class)[1:] == [
        f"{policy.base_seconds:g} s",
        f"{policy.cap_seconds:g} s",
        end(policy),
    ]


@pytest.mark.parametrize("failure_class", FOUND)
def test_every_error_stands_with_its_class(failure_class: FailureClass) -> None:
    codes, types = row(ERRORS, failure_class)
    exact = {code for code, found in BY_SQLSTATE.items() if found is failure_class}
    whole = {f"{code}…" for code, found in BY_SQLSTATE_CLASS.items() if found is failure_class}
    assert set(re.findall(r"`(.+?)`", codes)) == exact | whole
    assert set(re.findall(r"`(.+?)`", types)) == {
        kind.__name__ for kind, found in BY_TYPE if found is failure_class
    }


def test_the_circuit_is_described_as_it_is() -> None:
    assert f"after {CIRCUIT.errors_limit} errors within {CIRCUIT.window_seconds:g} s" in CIRCUIT_TEXT
    assert all(f"`{code}`" in CIRCUIT_TEXT for code in PROOF_OF_ABSENCE)
    pauses = CIRCUIT.shortest_probe_pause_seconds, POLICIES[FailureClass.INFRASTRUCTURE].cap_seconds
    assert "from {:g} s to {:g} s".format(*pauses) in CIRCUIT_TEXT
    assert f"after {CIRCUIT.step_seconds:g} s two" in CIRCUIT_TEXT
    assert f"after {CIRCUIT.recovery_seconds:g} s everybody" in CIRCUIT_TEXT
    assert f"at most {REDIS_CAP_SECONDS:g} s" in CIRCUIT_TEXT
    assert f"sends none for {BROKER_PAUSE_SECONDS:g} s" in CIRCUIT_TEXT
    assert f"did not answer is left alone for {MASTER_REST_SECONDS:g} s" in CIRCUIT_TEXT
    assert f"none is asked for within {WAKEUP_WINDOW_MS} ms" in CIRCUIT_TEXT
    assert f"up to {MAX_WAKEUP_WINDOW_MS // 1000} s" in CIRCUIT_TEXT


@pytest.mark.parametrize("name", NUMBERS)
def test_every_policy_has_a_row_with_its_number(name: str) -> None:
    assert re.findall(rf"^\| `{name}` \| ([^|]+) \|", PAGE, flags=re.MULTILINE) == [told(name, NUMBERS[name])]


def test_no_row_names_a_policy_that_is_none() -> None:
    assert set(re.findall(r"^\| `([A-Z_]+\.\w+)` \|", PAGE, flags=re.MULTILINE)) == set(NUMBERS)


def test_the_linger_is_described_as_it_is() -> None:
    said = f"lingers, {LINGER_MS_PER_EVENT} ms for each event that the last one found and {MAX_LINGER_MS} ms at most"
    assert said in SECTIONS["At intervals"]
