"""docs/alerts.yml: every rule asks for metrics and labels that exist, and docs/operations.md explains it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cogento.queue.claims import PutResult
from receiver import answers
from receiver.answers import IGNORED
from tests.support.metric_names import RECEIVERS, SERIES
from tests.unit.console.test_pages import BUSY

ROOT = Path(__file__).parents[3]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "docs" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
ROWS = "\n".join(re.findall(r"^\| `[A-Z].*$", OPERATIONS, flags=re.MULTILINE))

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


@every_rule
def test_rule_asks_for_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    asked = re.findall(r"(cogento_\w+)(?:\{([^}]*)\})?", rule["expr"])
    labels = {name: set(re.findall(r"(\w+)(?:=~|!=|=)", selector)) for name, selector in asked}
    assert asked
    assert {name for name in labels if not labels[name] <= set(SERIES.get(name, ()))} == set()
    assert labels.keys() <= SERIES.keys()


@every_rule
def test_outcomes_that_a_rule_names_are_the_receiver_s(rule: dict[str, Any]) -> None:
    known = {*answers.HTTP_STATUS, IGNORED, *PutResult, *(BUSY.tables.outcomes if BUSY.tables else ())}
    named = re.findall(r'outcome=~?"([\w|]+)"', rule["expr"])
    assert {outcome for names in named for outcome in names.split("|")} <= known


@every_rule
def test_operators_are_told_what_to_do(rule: dict[str, Any]) -> None:
    assert f"`{rule['alert']}`" in ROWS


@every_rule
def test_rule_says_whom_it_wakes(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}


def test_no_alert_is_explained_that_does_not_exist() -> None:
    first_cells = re.findall(r"^\| (`[A-Z][^|]*) \|", OPERATIONS, flags=re.MULTILINE)
    explained = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert explained == {rule["alert"] for rule in RULES}


@every_rule
def test_what_every_receiver_shows_is_counted_and_told_once(rule: dict[str, Any]) -> None:
    """Else a page goes out for each of them; that one does not reach a server is its own matter."""
    own = {name for name in SERIES if name.startswith(tuple(RECEIVERS))} | {"cogento_up"}
    bare = re.sub(
        r"\b(?:max|sum|count|absent)(?: by \([\w, ]+\))? ?\((?:[^()]|\([^()]*\))*\)", "", rule["expr"]
    )
    assert set(re.findall(r"cogento_\w+", bare)) <= own
