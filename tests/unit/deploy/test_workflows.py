"""The workflows: they parse, use only pinned actions, and have no more rights than they need."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from cogento import RELEASE
from cogento.local.services import ROOT

FOLDER = ROOT / ".github/workflows"
FILES = {file.name: file.read_text() for file in sorted(FOLDER.glob("*.yml"))}
WORKFLOWS: dict[str, Any] = {name: yaml.safe_load(text) for name, text in FILES.items()}
ON = True  # what YAML 1.1 makes of the key `on`
JOBS: dict[str, Any] = {
    f"{name}:{job_name}": job
    for name, workflow in WORKFLOWS.items()
    for job_name, job in workflow["jobs"].items()
}
USES = [line.strip() for text in FILES.values() for line in text.splitlines() if "uses:" in line]


def test_every_workflow_parses_and_says_when_it_runs() -> None:
    assert set(WORKFLOWS) == {"audit.yml", "ci.yml", "release.yml"}
    assert all(workflow[ON] for workflow in WORKFLOWS.values())


@pytest.mark.parametrize("line", USES)
def test_every_action_is_pinned_by_its_commit_and_names_its_version(line: str) -> None:
    assert re.fullmatch(r"-? ?uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


def test_an_action_is_of_one_commit_everywhere() -> None:
    pins = {line.partition("uses: ")[2] for line in USES}
    assert len({pin.partition("@")[0] for pin in pins}) == len(pins)


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_every_job_ends_in_time_and_keeps_no_credentials(job: dict[str, Any]) -> None:
    checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]

    assert job["timeout-minutes"] <= 45
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("step", [step for job in JOBS.values() for step in job["steps"]])
def test_no_expression_is_pasted_into_a_script(step: dict[str, Any]) -> None:
    assert "${{" not in step.get("run", "")


def test_nothing_but_a_release_may_write() -> None:
    others = [workflow["permissions"] for name, workflow in WORKFLOWS.items() if name != "release.yml"]

    assert others == [{"contents": "read"}] * 2
    assert WORKFLOWS["release.yml"]["permissions"] == {}


def test_ci_covers_each_python_and_each_postgresql_that_is_supported() -> None:
    jobs = WORKFLOWS["ci.yml"]["jobs"]

    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert jobs["postgresql"]["strategy"]["matrix"]["postgresql"] == ["14", "15", "16", "17", "18"]


def test_the_changelog_has_the_release() -> None:
    assert re.search(
        rf"^## \[{re.escape(RELEASE)}\] - \d{{4}}-\d\d-\d\d$",
        (ROOT / "CHANGELOG.md").read_text(),
        re.MULTILINE,
    )
