"""What the tests of faults share: witnesses in the database from the first event on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.checker import Checker
from tests.faults.worker_trial import WorkerTrial

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.worker.post import Post


@pytest.fixture
def checker(database_url: str, redis_url: str) -> Checker:
    """A checker that has witnessed everything."""
    checker = Checker(database_url, redis_url)
    checker.install()
    return checker


@pytest.fixture
def trial(post: Post, checker: Checker, tmp_path: Path) -> WorkerTrial:
    """Mailboxes and tables for workers to be broken at."""
    return WorkerTrial(post, checker, tmp_path)
