"""Dashboard, scrape configuration and alerts: Prometheus's own tool accepts them, and the metrics that they use exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from receiver import metrics
from tests.support.metric_names import DECLARED, RECEIVERS, SERIES
from tests.support.programs import installed

ROOT = Path(__file__).parents[3]
ALERTS = yaml.safe_load((ROOT / "docs" / "alerts.yml").read_text())
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "cogento.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]

OF_NO_ACCOUNT = {
    f"{family.name}_total"
    for collector in metrics.REGISTRY._collector_to_names
    if metrics.ACCOUNT not in collector._labelnames  # type: ignore[attr-defined]
    for family in collector.describe()  # type: ignore[attr-defined]
}
"""What a receiver counts of connections, before it knows whose a request is."""

every_expression = pytest.mark.parametrize("expression", EXPRESSIONS)


def promtool(*arguments: str, folder: Path) -> None:
    done = subprocess.run(
        [installed("promtool"), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def as_laid_out(tmp_path: Path) -> Path:
    """The two folders beside each other, as in the repository, with the file that the token is in."""
    shutil.copytree(ROOT / "deploy" / "prometheus", tmp_path / "deploy" / "prometheus")
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "alerts.yml", tmp_path / "docs")
    (tmp_path / "deploy" / "prometheus" / "metrics-token").write_text("secret")
    return tmp_path / "deploy" / "prometheus"


def test_prometheus_takes_the_configuration_and_the_alerts(as_laid_out: Path) -> None:
    promtool("check", "config", "prometheus.yml", folder=as_laid_out)


def test_alerts_fire_on_made_up_figures_as_they_should(as_laid_out: Path) -> None:
    promtool("test", "rules", "alerts_test.yml", "alerts_days_test.yml", folder=as_laid_out)


def test_prometheus_takes_what_the_dashboard_asks(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(EXPRESSIONS)
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", "rules.yml", folder=tmp_path)


@every_expression
def test_dashboard_asks_for_metrics_and_labels_that_exist(expression: str) -> None:
    asked = re.findall(r"(cogento_\w+)(?:\{([^}]*)\})?", expression)
    grouped = {label for by in re.findall(r"by \(([\w, ]+)\)", expression) for label in by.split(", ")}
    assert asked
    for name, selector in asked:
        assert {*re.findall(r"(\w+)=", selector), *grouped} <= {*SERIES[name], "account"}


@every_expression
def test_dashboard_shows_the_accounts_that_are_chosen_and_what_is_one_for_all(expression: str) -> None:
    asked = dict(re.findall(r"(cogento_\w+)(?:\{([^}]*)\})?", expression))
    chosen = {name for name, selector in asked.items() if 'account=~"$account"' in selector}
    assert asked.keys() - chosen == asked.keys() & OF_NO_ACCOUNT


@every_expression
def test_dashboard_adds_up_accounts_only_after_what_all_instances_show_of_each_is_one(
    expression: str,
) -> None:
    added = re.findall(r"sum(?: by \([\w, ]+\))? ?\(max by \(([\w, ]+)\)", expression)
    assert all("account" in labels or labels == "version" for labels in added)


def test_all_accounts_are_shown_at_first_also_where_they_have_no_names() -> None:
    (variable,) = (one for one in DASHBOARD["templating"]["list"] if one["name"] == "account")
    assert variable["multi"]
    assert variable["includeAll"]
    assert variable["current"]["value"] == ["$__all"]
    assert re.fullmatch(variable["allValue"], "")
    assert variable["query"]["query"] == "label_values(cogento_up, account)"


@every_expression
def test_dashboard_adds_up_nothing_that_every_receiver_shows(expression: str) -> None:
    shared = [
        name for name in DECLARED if re.search(rf"\bsum(?: by \([\w, ]+\))? ?\(rate\({name}\b", expression)
    ]
    assert [name for name in shared if not name.endswith("_seconds")] == []


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_legend_names_labels_that_are_there(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        grouped = {
            label for by in re.findall(r"by \(([\w, ]+)\)", target["expr"]) for label in by.split(", ")
        }
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= grouped


def test_panels_lie_beside_each_other_and_have_numbers_of_their_own() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_everything_that_pages_can_be_seen() -> None:
    """What an alert that pages asks for has a panel, but for what only a log line explains."""
    elsewhere = {
        "cogento_clock_skew_seconds",
        "cogento_webhook_conflicting_duplicates_total",
        "cogento_signature_secret_matches_total",
        "cogento_queue_oldest_paused_event_age_seconds",
    }
    paging = " ".join(rule["expr"] for rule in RULES if rule["labels"]["severity"] == "page")
    asked = {re.sub("_(bucket|count)$", "", name) for name in re.findall(r"cogento_\w+", paging)}
    shown = {
        re.sub("_(bucket|count)$", "", name) for name in re.findall(r"cogento_\w+", " ".join(EXPRESSIONS))
    }
    assert asked - shown == elsewhere
    assert elsewhere <= DECLARED.keys() | RECEIVERS.keys()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_says_what_is_wrong_and_links_to_what_to_do(rule: dict[str, Any]) -> None:
    noted = rule["annotations"]
    assert noted["summary"].endswith(".")
    page, _, anchor = noted["runbook_url"].partition("#")
    assert page.endswith("/docs/operations.md")
    assert f"`{rule['alert']}`" in next(
        line for line in OPERATIONS.splitlines() if f'<a id="{anchor}"></a>' in line
    )


def test_scraped_addresses_are_those_that_compose_opens() -> None:
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())[
        "scrape_configs"
    ]
    targets = {target for job in scraped for config in job["static_configs"] for target in config["targets"]}
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert targets == {services[name]["ports"][0].rpartition(":")[0] for name in ("receiver", "console")}
