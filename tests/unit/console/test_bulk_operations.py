"""Letters divided into batches."""

from __future__ import annotations

import pytest

from cogento.console.bulk_operations import batches
from cogento.store.letter_records import LetterMatch


def matches(*sizes: int) -> list[LetterMatch]:
    return [LetterMatch(n, size) for n, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "divided"),
    [
        ((), []),
        ((1,), [[0]]),
        ((1, 1, 1), [[0, 1], [2]]),
        ((9, 9), [[0], [1]]),
        ((99, 1), [[0], [1]]),
        ((1, 99), [[0], [1]]),
        ((0, 0, 0, 0), [[0, 1], [2, 3]]),
    ],
)
def test_batches_keep_the_order_and_are_small_in_number_and_bytes(
    sizes: tuple[int, ...], divided: list[list[int]]
) -> None:
    assert list(batches(matches(*sizes), letters=2, body_bytes=10)) == divided
