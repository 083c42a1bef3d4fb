"""The comparison in docs/ordering.md equals what the benchmark prints."""

from __future__ import annotations

from pathlib import Path

from bench.ordering import compare, table

DOCUMENT = (Path(__file__).parents[2] / "docs" / "ordering.md").read_text()


def test_the_documented_comparison_is_current_and_ours_is_never_wrong() -> None:
    shares = compare(400, seed=1)

    assert table(shares) in DOCUMENT
    assert shares["this project"] == 0
    assert min(share for name, share in shares.items() if name != "this project") > 0.3
