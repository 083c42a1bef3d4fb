"""`cogento/serving/` relies on interfaces that are not public: for another version, check what changed there, and add the version here."""

from __future__ import annotations

from importlib.metadata import version

import pytest


@pytest.mark.parametrize(
    ("package", "looked_at"), [("uvicorn", "0.54"), ("uvicorn-worker", "0.4"), ("httptools", "0.9")]
)
def test_the_versions_that_are_installed_were_looked_at(package: str, looked_at: str) -> None:
    assert version(package).rpartition(".")[0] == looked_at
