"""docs/adding-an-object.md, followed to the letter: in a copy of the project invoices become a kind of object."""

from __future__ import annotations

import json
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
MIGRATIONS = "schema/migrations/versions"
PLACES = {
    "invoice.py": "cogento/events/kinds",
    "0010_invoices.sql": MIGRATIONS,
    "0010_invoices.py": MIGRATIONS,
    "test_invoice.py": "tests/unit/events/kinds",
}
LINES = re.search(r"```python\n(from .*)\n\nKINDS = \(\n(?: +.*\n)*( +.*\n)\)\n```", PAGE)
TESTS = (
    "tests/unit/events/kinds/test_invoice.py",
    "tests/unit/events/test_golden.py",
    "tests/integration/console/invoice_trial.py",
    "tests/integration/console/test_backfill.py",
    "tests/integration/store/test_queries.py",
    "tests/integration/store/test_index_use.py",
    "tests/integration/store/test_migrations.py",
)
"""The page's own; recorded payloads; queue, worker, tables, Stripe and commands; the backfill's and the store's."""
NOT_COPIED = shutil.ignore_patterns(".*", "*.pyc.*", "docs", "bench")  # half-written code, too


@pytest.mark.parametrize("name", PLACES)
def test_the_page_shows_the_file(name: str) -> None:
    language = name.rpartition(".")[2].replace("py", "python")
    assert f"```{language}\n{(FILES / name).read_text()}```" in PAGE


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the page's additions."""
    folder = tmp_path_factory.mktemp("with_invoices") / "copy"
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    last = max(int(file.name[:4]) for file in (folder / MIGRATIONS).glob("[0-9]*.sql"))
    for name, place in PLACES.items():
        text = (FILES / name).read_text()
        if place == MIGRATIONS:  # its number is the next one, whatever the page's example has
            text = text.replace("0010", f"{last + 1:04}").replace('"0009"', f'"{last:04}"')
        (folder / place / name.replace("0010", f"{last + 1:04}")).write_text(text)
    kinds = folder / "cogento/events/kinds/__init__.py"
    assert LINES is not None
    added = rf"{LINES[1]}\n\n\g<0>{LINES[2]}"
    text, matches = re.subn(r"KINDS = \(\n(?: +.*\n)+", added, kinds.read_text(), count=1)
    assert matches == 1
    kinds.write_text(text)
    golden = folder / "tests/data/golden_rows.json"
    rows = json.loads(golden.read_text()) | json.loads((FILES / golden.name).read_text())
    golden.write_text(json.dumps(rows))
    return folder


def test_with_an_invoice_for_a_kind_the_tests_hold(copy: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *TESTS],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
