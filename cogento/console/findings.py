"""Findings: one thing that was checked, whether it is right, and what to do where it is not.

`cogento check` and `cogento endpoint show` print them. Knows none of the things that are checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Grade(StrEnum):
    """How good it is."""

    GOOD = "good"
    WARNING = "warning"  # everything works, and something deserves attention
    BAD = "bad"  # events are lost, refused or not applied; or that is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was checked; `advice` says what to do. `as_configured` says that only other settings or rights change it.

    Field names are the keys of the JSON.
    """

    subject: str
    grade: Grade
    text: str
    advice: str = ""
    as_configured: bool = False


def good(subject: str, text: str) -> Finding:
    """Nothing is to be done."""
    return Finding(subject=subject, grade=Grade.GOOD, text=text)


def warning(subject: str, text: str, advice: str = "") -> Finding:
    """It works, and somebody should know."""
    return Finding(subject=subject, grade=Grade.WARNING, text=text, advice=advice)


def away(subject: str, text: str, advice: str = "") -> Finding:
    """It does not work now, and may by itself."""
    return Finding(subject=subject, grade=Grade.BAD, text=text, advice=advice)


def wrong(subject: str, text: str, advice: str = "") -> Finding:
    """It cannot work as configured."""
    return Finding(subject=subject, grade=Grade.BAD, text=text, advice=advice, as_configured=True)


def worst(findings: Iterable[Finding]) -> Grade:
    """The worst grade among them; good where there is none."""
    grades = {finding.grade for finding in findings}
    return next((grade for grade in (Grade.BAD, Grade.WARNING) if grade in grades), Grade.GOOD)
