"""docs/alerts.yml: every rule asks for metrics and labels that exist, and docs/operations.md explains it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from cogento.console.web.metrics import exposition
from cogento.queue.delays import Delay, count
from receiver import answers
from receiver.answers import Status
from tests.support.figures import letters
from tests.unit.console.test_pages import BUSY

ROOT = Path(__file__).parents[3]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "docs" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
RECEIVER = (ROOT / "docs" / "receiver.md").read_text()
ROWS = "\n".join(re.findall(r"^\| `[A-Z].*$", OPERATIONS, flags=re.MULTILINE))

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


def console_samples() -> set[tuple[str, frozenset[str]]]:
    assert BUSY.mail is not None
    assert BUSY.tables is not None
    counters: Counter[str] = Counter()
    count(counters, Delay.QUEUE, "webhook", 1)
    count(counters, Delay.FRESHNESS, "webhook", 1)
    seen = replace(
        BUSY,
        mail=replace(BUSY.mail, counters=counters, waits_for={"postgres": "25006"}),
        tables=replace(BUSY.tables, letters=(letters(1),)),
    )
    families = text_string_to_metric_families(exposition(seen).decode())
    return {(s.name, frozenset(s.labels)) for family in families for s in family.samples}


def receiver_samples() -> set[tuple[str, frozenset[str]]]:
    """Those of docs/receiver.md, which a test compares with the receiver."""
    rows = re.findall(r"^\| `(\w+)(?:\{(\w+)\})?` \|", RECEIVER, flags=re.MULTILINE)
    plain = {(name, frozenset(filter(None, [label]))) for name, label in rows}
    histogram = {(f"{name}_count", labels) for name, labels in plain if name.endswith("_seconds")}
    buckets = {(f"{name}_bucket", labels | {"le"}) for name, labels in plain if name.endswith("_seconds")}
    return plain | histogram | buckets


SAMPLES = dict(console_samples() | receiver_samples())


@every_rule
def test_rule_asks_for_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    asked = re.findall(r"(cogento_\w+)(?:\{([^}]*)\})?", rule["expr"])
    labels = {name: set(re.findall(r"(\w+)(?:=~|!=|=)", selector)) for name, selector in asked}
    assert asked
    assert {name for name in labels if not labels[name] <= SAMPLES.get(name, frozenset({"missing"}))} == set()
    assert labels.keys() <= SAMPLES.keys()


@every_rule
def test_outcomes_that_a_rule_names_are_the_receiver_s(rule: dict[str, Any]) -> None:
    known = {*answers.HTTP_STATUS, *Status, *(BUSY.tables.outcomes if BUSY.tables else ())}
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
