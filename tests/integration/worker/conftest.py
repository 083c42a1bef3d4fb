from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.worker.post import Post

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def post(redis_url: str, database_url: str) -> Iterator[Post]:
    """Mailboxes and tables, both empty."""
    office = Post.open(redis_url, database_url)
    yield office
    office.close()
