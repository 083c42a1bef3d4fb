"""docs/receiver.md says what the receiver does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from receiver import metrics
from receiver.answers import HTTP_STATUS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "receiver.md").read_text()
SOURCE = "\n".join(path.read_text() for path in (ROOT / "receiver").rglob("*.py"))
ALARMS = sorted(set(re.findall(r'(?:warning|error)\(\s*"([a-z_]+)"', SOURCE)))
METRICS = sorted({family.name for family in metrics.REGISTRY.collect()})


@pytest.mark.parametrize(("code", "status"), HTTP_STATUS.items())
def test_every_error_code_is_described_with_its_status(code: str, status: int) -> None:
    assert f"`{code}` | {int(status)} |" in PAGE


@pytest.mark.parametrize("event", ALARMS)
def test_every_log_line_is_described(event: str) -> None:
    assert f"`{event}`" in PAGE


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_described(name: str) -> None:
    assert f"`{name}" in PAGE
