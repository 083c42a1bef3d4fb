"""Python's collector of reference cycles, set for processes that keep much for long and make much for a moment.

Left as it is, it looks for cycles every few thousand objects, among them again and again what was made at
start and stays. Nothing of ours makes cycles by the event: counting references frees what an event needed.
"""

from __future__ import annotations

import gc

YOUNG = 50_000
"""How many more containers were made than freed before it looks: about what a batch of 500 events holds at once."""
ROUNDS = 20
"""How many looks at the young before one at the older."""


def spare_what_is_here() -> None:
    """Take everything that is in memory now for permanent; call it once, when a process has started."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, ROUNDS, ROUNDS)
