"""What answers a `Receiver`'s requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.receiver_fakes import served_by

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["flask", "fastpath"])
def either_server(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run a test twice: with Flask, and with the fast path in front of it."""
    token = served_by.set(request.param)
    yield
    served_by.reset(token)
