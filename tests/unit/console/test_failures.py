"""What people are told of a failure that they can do something about."""

from __future__ import annotations

import pytest

from console.failures import Failure, told
from events.errors import OtherReleaseError, TransientError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OtherReleaseError("evidence"),
            "A newer release wrote rows that this one cannot read. Use that release.",
        ),
        (TransientError("busy"), "PostgreSQL is busy with something that stands in the way. Try again."),
    ],
)
def test_a_failure_says_what_to_do(error: Exception, said: str) -> None:
    with pytest.raises(Failure) as failure, told():
        raise error

    assert failure.value.message == said


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), told():
        raise KeyError("x")
