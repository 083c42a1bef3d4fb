"""How often each way to order Stripe's events ends in a wrong row, and whether our laws hold in a long run.

    python -m bench.ordering                          the comparison, the laws on 2,000 histories, the speed
    python -m bench.ordering --histories 100000       the laws on 100,000 histories
    python -m bench.ordering --rendered 100000        the laws on 100,000 histories in whole Stripe objects

Everything follows from the seed; histories and oracle are those of tests/model.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from cogento.ordering.order import ORDER_WINDOW, CurrentRow, Version, decide
from tests.support.model.deliveries import row_after, scrambled
from tests.support.model.histories import History, random_history, version
from tests.support.model.oracle import judge
from tests.support.model.trials import try_history, try_rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tests.support.model.trials import Trial

DELIVERIES = 5
"""Shuffled deliveries of each hard history, every event twice."""


# The comparison.


def hard_histories(count: int, *, seed: int) -> Iterator[tuple[History, Random]]:
    """Yield decidable histories of three events or more, with nothing lost, whose last two events tie."""
    found, number = 0, 0
    while found < count:
        dice = Random(f"hard:{seed}:{number}")
        history = random_history(dice)
        number += 1
        if is_hard(history):
            found += 1
            yield history, dice


def is_hard(history: History) -> bool:
    if history.lost or len(history.versions) < 3:
        return False
    before, last = history.versions[-2:]
    return abs(last.created - before.created) <= ORDER_WINDOW and judge(history.versions).decidable


RIVALS: dict[str, Callable[[Version, Version], bool]] = {
    "last delivered": lambda _shown, _event: True,
    "newer `created`": lambda shown, event: event.created > shown.created,
    "newer or equal `created`": lambda shown, event: event.created >= shown.created,
    "(`created`, id)": lambda shown, event: (event.created, event.event_id) > (shown.created, shown.event_id),
    "(`created`, type, id)": lambda shown, event: (
        (event.created, event.lifecycle, event.event_id) > (shown.created, shown.lifecycle, shown.event_id)
    ),
}
"""By way to order: whether an event overwrites the one that the row shows."""

OURS = "this project"


def compare(count: int, *, seed: int) -> dict[str, float]:
    """Give, for each way to order, the share of deliveries that end in a wrong row."""
    wrong: Counter[str] = Counter(dict.fromkeys([*RIVALS, OURS], 0))
    for history, dice in hard_histories(count, seed=seed):
        for _ in range(DELIVERIES):
            batches = scrambled(dice, history.versions)
            for name, overwrites in RIVALS.items():
                shown = fold((event for batch in batches for event in batch), overwrites)
                wrong[name] += shown.columns != history.truth
            wrong[OURS] += row_after(batches).columns != history.truth
    return {name: number / count / DELIVERIES for name, number in wrong.items()}


def fold(delivered: Iterable[Version], overwrites: Callable[[Version, Version], bool]) -> Version:
    events = iter(delivered)
    shown = next(events)
    for event in events:
        if overwrites(shown, event):
            shown = event
    return shown


def table(shares: dict[str, float]) -> str:
    """Write the comparison as the table in docs/ordering.md."""
    rows = [f"| {name} | {share:.1%} |" for name, share in shares.items()]
    return "\n".join(["| order by | wrong final rows |", "| --- | ---: |", *rows])


# The laws.


def hold_laws(count: int, *, seed: int, attempt: Callable[[str], Trial] = try_history) -> Counter[str]:
    """Compare random histories with the oracle, and count how the rules decided them."""
    counts: Counter[str] = Counter()
    begun = time.perf_counter()
    for number in range(count):
        trial = attempt(f"{seed}:{number}")
        counts["histories"] += 1
        counts["diverged"] += trial.diverged
        counts["decidable"] += trial.decidable
        counts["decidable, wrong"] += trial.decidable and trial.is_wrong
        counts["decidable, unsure"] += trial.decidable and trial.is_unsure
        counts["undecidable"] += not trial.decidable
        counts["undecidable, yet sure"] += trial.is_rashly_sure
        counts["undecidable, truth shown"] += not trial.decidable and trial.shows_truth
        counts["with lost events"] += trial.history.lost > 0
        misled = not trial.shows_truth and not trial.is_unsure
        counts["sure and not the truth, nothing lost"] += trial.is_misled
        counts["sure and not the truth, events lost"] += misled and trial.history.lost > 0
        if number % 1000 == 999 and sys.stderr.isatty():
            print(f"\r{number + 1:,} histories, {time.perf_counter() - begun:.0f} s", end="", file=sys.stderr)
    return counts


# The speed.


def microseconds(versions: Sequence[Version], *, repeat: int = 20_000) -> tuple[float, int]:
    """Give the time to decide the last version of a life, and the bytes of evidence it leaves."""
    known: CurrentRow | None = None
    for one in versions[:-1]:
        decision = decide(known, [one])
        known = CurrentRow(decision.evidence, decision.last_event_id, decision.columns)
    begun = time.perf_counter()
    for _ in range(repeat):
        decision = decide(known, [versions[-1]])
    return (time.perf_counter() - begun) / repeat * 1e6, len(decision.evidence)


def lives() -> dict[str, list[Version]]:
    ids = [f"evt_1TbGjLJEe0yY0QKrJVg6c{n:03}" for n in range(8)]
    states = [f"state{n}" for n in range(9)]

    def life(seconds: Sequence[int]) -> list[Version]:
        return [version(ids[n], 10_000 + at, states[n + 1], states[n]) for n, at in enumerate(seconds)]

    return {
        "first event of an object": life([0]),
        "newer second": life([0, 60, 120, 180, 240]),
        "second of a tie of two": life([0, 60, 120, 120]),
        "last of a tie of six": life([0, 60, 120, 120, 121, 121, 122, 122]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--histories", type=int, default=2_000, help="histories for the laws")
    parser.add_argument("--rendered", type=int, default=1_000, help="histories in whole Stripe objects")
    parser.add_argument("--hard", type=int, default=400, help="histories for the comparison")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(f"Wrong final rows, {arguments.hard:,} hard histories, {DELIVERIES} scrambled deliveries of each\n")
    print(table(compare(arguments.hard, seed=arguments.seed)), end="\n\n")
    print(f"{'decide':<40}{'µs':>8}{'bytes of evidence':>20}")
    for name, versions in lives().items():
        spent, size = microseconds(versions)
        print(f"{name:<40}{spent:>8.1f}{size:>20}")
    print(f"\nThe laws, six scrambled deliveries of each history, seed {arguments.seed}")
    tell(hold_laws(arguments.histories, seed=arguments.seed))
    print("\nThe laws on whole objects, three deliveries of each history with each event in two shapes")
    tell(hold_laws(arguments.rendered, seed=arguments.seed, attempt=try_rendered))


def tell(counts: Counter[str]) -> None:
    for name, number in counts.items():
        print(f"{name:<40}{number:>10,}")


if __name__ == "__main__":
    main()
