"""docs/adding-an-object.md, followed to the letter: in a copy of the project invoices become a kind of object."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cogento.local.services import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "adding-an-object.md").read_text()
FILES = ROOT / "tests" / "data" / "invoice"
PLACES = {
    "invoice.py": "cogento/events/kinds",
    "0010_invoices.sql": "schema/migrations/versions",
    "0010_invoices.py": "schema/migrations/versions",
    "test_invoice.py": "tests/unit/events/kinds",
}
LINES = re.search(r"```python\n(from .*)\n\n(KINDS = \(\n.*?\n\)\n)```", PAGE, re.DOTALL)
TRIAL = "tests/integration/console/invoice_trial.py"
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "docs", "bench")


@pytest.mark.parametrize("name", PLACES)
def test_the_page_shows_the_file(name: str) -> None:
    language = name.rpartition(".")[2].replace("py", "python")
    assert f"```{language}\n{(FILES / name).read_text()}```" in PAGE


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with what the page adds to it."""
    folder = tmp_path_factory.mktemp("with_invoices") / "copy"
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    for name, place in PLACES.items():
        shutil.copy(FILES / name, folder / place)
    kinds = folder / "cogento/events/kinds/__init__.py"
    assert LINES is not None
    text, matches = re.subn(
        r"KINDS = \(\n.*?\n\)\n", f"{LINES[1]}\n\n{LINES[2]}", kinds.read_text(), count=1, flags=re.DOTALL
    )
    assert matches == 1
    kinds.write_text(text)
    return folder


@pytest.mark.parametrize(
    "tests",
    [
        pytest.param(["tests/unit/events/kinds/test_invoice.py"], id="the page's own"),
        pytest.param([TRIAL], id="queue, worker, tables, Stripe and commands"),
        pytest.param(
            [
                "tests/integration/store/test_queries.py",
                "tests/integration/store/test_index_use.py",
                "tests/integration/store/test_migrations.py::test_every_table_and_column_is_commented",
            ],
            id="the store's",
        ),
    ],
)
def test_with_an_invoice_for_a_kind_the_tests_hold(copy: Path, tests: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
