"""Draws docs/tie-group.svg: the evidence of one second in which a subscription changed four times.

    python -m tools.draw_tie > docs/tie-group.svg

The picture is made from the decision itself (cogento.ordering.explain); a test compares the file with this output.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cogento.events.kinds.subscription import SubscriptionColumns
from cogento.events.names import EventId
from cogento.ordering.explain import Tie, TiedEvent, tie_of
from cogento.ordering.order import Lifecycle, Version, decide

if TYPE_CHECKING:
    from collections.abc import Sequence

STEP, MIDDLE, HEIGHT, RADIUS = 250, 176, 300, 64

STYLE = """\
.state{fill:#fff;stroke:#8b958f;stroke-width:1.6}.end{fill:#e9f5f0;stroke:#0b7a5e;stroke-width:2.6}
.name{font-size:15px;font-weight:650;fill:#1d2320}.note{font-size:12.5px;fill:#66706a}.said{font-size:12.5px;fill:#0b7a5e}
.edge{stroke:#66706a;stroke-width:1.6;fill:none}.head{fill:#66706a}
@media (prefers-color-scheme: dark){.state{fill:#1a1f1c;stroke:#7b857f}.end{fill:#14271f;stroke:#4cc9a0}\
.name{fill:#e6ebe7}.note{fill:#9aa59f}.said{fill:#4cc9a0}.edge{stroke:#9aa59f}.head{fill:#9aa59f}}"""


def example() -> Tie:
    """Decide the example: the creation, a change, the change back, the same change again, and a sighting, all in one second."""
    decision = decide(
        None,
        [
            _event("created", "incomplete", lifecycle=Lifecycle.CREATED),
            _event("evt_…w2", "active", "incomplete"),
            _event("evt_…Qe", "past_due", "active"),
            _event("evt_…7d", "active", "past_due"),
            _event("evt_…Bk", "paused", "active"),
            _event("evt_…M0", "past_due"),
        ],
    )
    return tie_of(decision.evidence, decision.last_event_id)


def draw(tie: Tie) -> str:
    """Draw the states on a line, an arc for every edge, a note for every sighting."""
    edges = [event for event in tie.events if event.leads_from]
    states = _in_order(tie, edges)
    at = {state: 80 + STEP * i for i, state in enumerate(states)}
    parts = [
        *(_arc(at[edge.leads_from], at[edge.leads_to], edge.event_id) for edge in edges if edge.leads_from),
        *(_circle(state, at[state], tie) for state in states),
    ]
    width = 160 + STEP * (len(states) - 1)
    label = "A tie group: states as circles, events as arrows; every arrow is walked once, so the walk ends in paused"
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" font-family="ui-sans-serif, '
        f'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" role="img" aria-label="{label}">'
    )
    return "\n".join([root, f"<style>\n{STYLE}\n</style>", *parts, "</svg>\n"])


def _event(
    event_id: str, status: str, before: str | None = None, *, lifecycle: Lifecycle = Lifecycle.CHANGED
) -> Version:
    return Version(
        event_id=EventId(event_id),
        created=0,
        lifecycle=lifecycle,
        terminal=False,
        state=status.encode(),
        before=before.encode() if before else None,
        growing=(),
        columns=SubscriptionColumns("cus", "prod", status, 0, 0, "{}", 0),
    )


def _in_order(tie: Tie, edges: Sequence[TiedEvent]) -> list[str]:
    """Put the states in the order in which the edges first reach them from the anchor."""
    states = sorted(tie.before)
    for state in states:
        reached = sorted(edge.leads_to for edge in edges if edge.leads_from == state)
        states += [new for new in dict.fromkeys(reached) if new not in states]
    return states


def _circle(state: str, x: int, tie: Tie) -> str:
    seen = [event.event_id for event in tie.events if event.leads_from is None and event.leads_to == state]
    entered = sum(event.leads_from is not None and event.leads_to == state for event in tie.events)
    left = sum(event.leads_from == state for event in tie.events)
    role = "state before" if state in tie.before else f"entered {entered}, left {left}"
    note = f"seen by {seen[0]}" if seen else "the last state" if state in tie.ends else ""
    style = "state end" if state in tie.ends else "state"
    return (
        f'<circle class="{style}" cx="{x}" cy="{MIDDLE}" r="{RADIUS}"/>'
        f'<text class="name" x="{x}" y="{MIDDLE - 2}" text-anchor="middle">{bytes.fromhex(state).decode()}</text>'
        f'<text class="note" x="{x}" y="{MIDDLE + 17}" text-anchor="middle">{role}</text>'
        f'<text class="said" x="{x}" y="{MIDDLE + 86}" text-anchor="middle">{note}</text>'
    )


def _arc(start: int, end: int, event_id: str) -> str:
    """Draw an arc for an edge: above the line to the right, below it to the left."""
    way = 1 if end > start else -1
    steps = abs(end - start) // STEP
    from_x, to_x = start + way * (52 - 22 * (steps - 1)), end - way * 50
    from_y, to_y = MIDDLE - way * (38 + 18 * (steps - 1)), MIDDLE - way * 42
    middle, pull = (from_x + to_x) // 2, MIDDLE - way * (10 + 92 * steps)
    crest = (from_y + 2 * pull + to_y) // 4
    return (
        f'<path class="edge" d="M{from_x},{from_y} Q{middle},{pull} {to_x},{to_y}"/>'
        f'<path class="head" d="M{to_x + way * 5},{to_y + way * 4} l{-way * 12},{-way * 2} l{way * 7},{-way * 9} z"/>'
        f'<text class="note" x="{middle}" y="{crest - 9 if way > 0 else crest + 19}" '
        f'text-anchor="middle">{event_id}</text>'
    )


if __name__ == "__main__":
    sys.stdout.write(draw(example()))
