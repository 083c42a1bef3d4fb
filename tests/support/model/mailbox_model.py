"""The mailbox as a state machine small enough to be searched whole.

Two customers, three events (one older than its neighbour, yet it may come late), two workers. Every order of puts,
duplicate puts, claims, commits, settlements, crashes, freezes, expiries, sleeps, parkings and pauses is
reachable. Redis may lose a key or leave a command half done, once: in `HURT` that is still to come, and until an inspection a
damaged state keeps fewer invariants. A frozen worker is one whose lease expires while it still holds its claim. Time is left
out: what is due may happen at any moment, which covers every clock. Guards can be removed, to see that they are needed.
"""

from __future__ import annotations

import gc
from collections import deque
from contextlib import contextmanager
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

Customer = str
Event = str
Token = int

EVENTS_OF: dict[Customer, tuple[Event, ...]] = {"A": ("a1", "a2"), "B": ("b1",)}  # oldest first
CUSTOMER_OF = {event: customer for customer, events in EVENTS_OF.items() for event in events}
DELIVERIES = {"a1": 1, "a2": 2, "b1": 1}  # a2 is delivered again, at any time
PAUSABLE = ("A",)
WORKERS = (0, 1)
SUSPECT = "A"  # the customer whose crashes are counted: after one (in truth two) it is claimed alone
FRESH, NOBODYS, STALE = (
    9,
    -1,
    -2,
)  # tokens: of this claim, of a dead worker's lease, of a lease that has passed


class Guard(Enum):
    """A rule of the Lua commands without which an invariant falls."""

    SETTLE_CHECKS_TOKEN = auto()
    SETTLE_REMOVES_ONLY_DONE = auto()
    SETTLE_AFTER_COMMIT = auto()
    PUT_SEATS_ONLY_EMPTY = auto()
    PUT_SEES_DUPLICATES = auto()
    RECOVER_ENDS_OWNERSHIP = auto()
    RECOVER_STATES = auto()
    SEAT_MINDS_PAUSE = auto()
    UNPARK_STATES = auto()
    PARK_KEEPS_PAYLOAD = auto()
    PUT_MINDS_WHAT_IS_LOST = auto()
    INSPECTION_SEATS = auto()
    INSPECTION_LAYS_BACK = auto()
    INSPECTION_MINDS_OWNERS = auto()


OF_LOSSES = frozenset(
    guard for guard in Guard if guard is Guard.PUT_MINDS_WHAT_IS_LOST or guard.name.startswith("INSPECTION")
)


class Turn(NamedTuple):
    """What a worker holds: a token, the events it saw, and whether Postgres has them."""

    token: Token
    events: frozenset[Event]
    committed: bool


class State(NamedTuple):
    """Everything that Redis, Postgres, Stripe and the workers know."""

    undelivered: tuple[int, ...]  # per event, in the order of CUSTOMER_OF
    waiting: frozenset[Event] = frozenset()
    held: frozenset[Event] = frozenset()
    payloads: frozenset[Event] = frozenset()
    ready: frozenset[Customer] = frozenset()
    sleeping: frozenset[Customer] = frozenset()
    paused: frozenset[Customer] = frozenset()
    owners: frozenset[tuple[Customer, Token]] = frozenset()
    wishes: frozenset[Customer] = frozenset()
    suspected: bool = False
    workers: tuple[Turn | None, ...] = (None,) * len(WORKERS)
    accepted: frozenset[Event] = frozenset()
    committed: frozenset[Event] = frozenset()
    losses_left: int = 0
    hurt: bool = False

    def waiting_of(self, customer: Customer) -> tuple[Event, ...]:
        return tuple(event for event in EVENTS_OF[customer] if event in self.waiting)

    def owner(self, customer: Customer) -> Token | None:
        return next((token for owned, token in self.owners if owned == customer), None)


class Step(NamedTuple):
    """One move of the machine; `helps` if it belongs to a healthy system that gets no new events."""

    name: str
    after: State
    helps: bool = False


START = State(undelivered=tuple(DELIVERIES.values()))
PARTS = {"one customer's events": State(undelivered=(1, 2, 0)), "two customers": State(undelivered=(0, 2, 1))}
"""Starting states that leave something out, and have a tenth of the states."""
HURT = State(undelivered=(1, 1, 0), losses_left=1)


class Search(NamedTuple):
    """What was found: every state with its steps, and the first violation with the way to it."""

    steps: dict[State, tuple[Step, ...]]
    violation: str | None
    way: tuple[str, ...]


def search(start: State = START, *, without: Guard | None = None) -> Search:
    """Search every state breadth-first; stop at the first that breaks an invariant."""
    with _no_collector():
        return _search(start, without)


def _search(start: State, without: Guard | None) -> Search:
    found: dict[State, tuple[Step, ...]] = {}
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    frontier = deque([start])
    one_of_each = {start: start}  # ten steps lead to each state, and all of them are kept

    def known(after: State) -> State:
        named = _same_but_for_names(after)
        return one_of_each.setdefault(named, named)

    while frontier:
        state = frontier.popleft()
        if violation := broken_invariant(state):
            return Search(found, violation, _way(came_from, state))
        moves = [Step(name, known(after), helps) for name, after, helps in steps(state, without)]
        found[state] = tuple(step for step in moves if step.after is not state)
        for step in found[state]:
            if step.after not in came_from:
                came_from[step.after] = (state, step.name)
                frontier.append(step.after)
    return Search(found, None, ())


def steps(state: State, without: Guard | None) -> Iterator[Step]:
    """Every move that can be made now."""
    for number, event in enumerate(CUSTOMER_OF):
        if state.undelivered[number]:
            yield Step(f"put {event}", put(state, number, event, without))
    for worker in WORKERS:
        if state.workers[worker] not in state.workers[:worker]:  # of two alike, one tells for both
            yield from worker_steps(state, worker, without)
    for customer in EVENTS_OF:
        yield from customer_steps(state, customer, without)
    if state.hurt:
        yield Step("somebody inspects", inspect(state, without), helps=True)
    if state.losses_left:
        for name, after in losses(state):
            yield Step(name, after._replace(losses_left=state.losses_left - 1, hurt=True))


def losses(state: State) -> Iterator[tuple[str, State]]:
    """Every key that can vanish, but for an event's own; and every command that can fail half way."""
    yield "ready vanishes", state._replace(ready=frozenset())
    yield "sleeping vanishes", state._replace(sleeping=frozenset())
    yield "paused vanishes", state._replace(paused=frozenset())
    yield "the pauses vanish", state._replace(wishes=frozenset())
    yield "the owners vanish", state._replace(owners=frozenset((owned, NOBODYS) for owned, _ in state.owners))
    for customer, events in EVENTS_OF.items():
        mine = frozenset(events)
        yield f"the mailbox of {customer} vanishes", state._replace(waiting=state.waiting - mine)
        yield f"a return of parked events of {customer} fails", state._replace(held=state.held - mine)
        if state.owner(customer) is not None:
            yield f"a settlement of {customer} fails", _freed(state, customer)
    for number, event in enumerate(CUSTOMER_OF):
        if state.undelivered[number] and event not in state.payloads:
            yield f"a put of {event} fails", state._replace(payloads=state.payloads | {event})


def inspect(state: State, without: Guard | None) -> State:
    """Repair whatever follows from what is left."""
    if without is not Guard.INSPECTION_LAYS_BACK:
        state = state._replace(waiting=state.payloads - state.held)
    state = state._replace(wishes=state.wishes | state.paused)
    for customer in EVENTS_OF:
        state = inspect_one(state, customer, without)
    return state._replace(hurt=False)


def inspect_one(state: State, customer: Customer, without: Guard | None) -> State:
    if without is Guard.INSPECTION_SEATS:
        return state
    is_owned = state.owner(customer) is not None and without is not Guard.INSPECTION_MINDS_OWNERS
    sleeps = customer in state.sleeping
    state = state._replace(
        ready=state.ready - {customer}, sleeping=state.sleeping - {customer}, paused=state.paused - {customer}
    )
    return state if is_owned else set_state(state, customer, None, sleep=sleeps)


def put(state: State, number: int, event: Event, without: Guard | None) -> State:
    left = _with(state.undelivered, number, state.undelivered[number] - 1)
    state = state._replace(undelivered=left, accepted=state.accepted | {event})
    customer = CUSTOMER_OF[event]
    if state.hurt and without is not Guard.PUT_MINDS_WHAT_IS_LOST:
        state = state._replace(payloads=state.payloads | {event})
        state = state._replace(waiting=state.waiting | {event} - state.held)
        return (
            state
            if not state.waiting_of(customer) or _states(state, customer)
            else set_state(state, customer, without)
        )
    if event in state.payloads and without is not Guard.PUT_SEES_DUPLICATES:
        return state
    empty = not state.waiting_of(customer) or without is Guard.PUT_SEATS_ONLY_EMPTY
    state = state._replace(waiting=state.waiting | {event}, payloads=state.payloads | {event})
    return set_state(state, customer, without) if empty else state


def worker_steps(state: State, worker: int, without: Guard | None) -> Iterator[Step]:
    turn = state.workers[worker]
    if turn is None:
        yield from claims(state, worker)
        return
    yield Step(f"worker {worker} dies", _hands(state, worker, None))
    yield Step(f"worker {worker} gives back", settle(state, worker, turn, frozenset(), without), helps=True)
    yield Step(f"worker {worker} postpones", settle(state, worker, turn, frozenset(), without, sleep=True))
    if not turn.committed:
        yield Step(f"worker {worker} commits", commit(state, worker, turn), helps=True)
        yield Step(f"worker {worker} parks", park(state, worker, turn, without))
    if turn.committed or without is Guard.SETTLE_AFTER_COMMIT:
        yield Step(f"worker {worker} settles", settle(state, worker, turn, turn.events, without), helps=True)


def claims(state: State, worker: int) -> Iterator[Step]:
    """One customer or all that are ready, one event each or all; suspects alone."""
    groups = [{customer} for customer in sorted(state.ready)]
    groups += [set(state.ready)] if len(state.ready) > 1 and not state.suspected else []
    for group in groups:
        for most in (1, 2):
            after = claim(state, worker, frozenset(group), most)
            yield Step(f"worker {worker} claims {most} of {''.join(sorted(group))}", after, helps=True)


def claim(state: State, worker: int, customers: frozenset[Customer], most: int) -> State:
    events = frozenset(event for customer in customers for event in state.waiting_of(customer)[:most])
    owners = state.owners | {(customer, FRESH) for customer in customers if state.waiting_of(customer)}
    state = state._replace(ready=state.ready - customers, owners=owners)
    return _hands(state, worker, Turn(FRESH, events, committed=False)) if events else state


def commit(state: State, worker: int, turn: Turn) -> State:
    """Commit to Postgres, which applies each event once, whoever comes: by the ledger and the row's lock, not by the mailbox."""
    state = state._replace(committed=state.committed | turn.events)
    return _hands(state, worker, turn._replace(committed=True))


def settle(
    state: State,
    worker: int,
    turn: Turn,
    done: frozenset[Event],
    without: Guard | None,
    *,
    sleep: bool = False,
) -> State:
    for customer in sorted({CUSTOMER_OF[event] for event in turn.events}):
        if state.owner(customer) == turn.token or without is Guard.SETTLE_CHECKS_TOKEN:
            state = settle_one(state, customer, done, without, sleep=sleep)
    return _hands(state, worker, None)


def settle_one(
    state: State, customer: Customer, done: frozenset[Event], without: Guard | None, *, sleep: bool
) -> State:
    gone = done & frozenset(EVENTS_OF[customer]) & state.waiting
    if done and without is Guard.SETTLE_REMOVES_ONLY_DONE:
        gone = frozenset(state.waiting_of(customer))
    state = state._replace(
        waiting=state.waiting - gone,
        payloads=state.payloads - gone,
    )
    state = state._replace(suspected=state.suspected and bool(state.waiting_of(SUSPECT)))
    return set_state(_freed(state, customer), customer, without, sleep=sleep)


def park(state: State, worker: int, turn: Turn, without: Guard | None) -> State:
    """Park the youngest event of each customer whose lease is still ours; the others stay."""
    for customer in sorted({CUSTOMER_OF[event] for event in turn.events}):
        if state.owner(customer) == turn.token:
            parked = {event for event in state.waiting_of(customer) if event in turn.events}
            parked = set(sorted(parked)[-1:])
            lost = parked if without is Guard.PARK_KEEPS_PAYLOAD else set()
            state = state._replace(
                waiting=state.waiting - parked, held=state.held | parked, payloads=state.payloads - lost
            )
            state = settle_one(state, customer, frozenset(), without, sleep=False)
    return _hands(state, worker, None)


def customer_steps(state: State, customer: Customer, without: Guard | None) -> Iterator[Step]:
    if state.owner(customer) is not None:
        yield Step(f"the lease on {customer} expires", recover(state, customer, without), helps=True)
    if customer in state.sleeping:
        woken = state._replace(sleeping=state.sleeping - {customer})
        yield Step(f"{customer} wakes", set_state(woken, customer, without), helps=True)
    if state.held & set(EVENTS_OF[customer]):
        yield Step(f"the parked events of {customer} return", unpark(state, customer, without), helps=True)
    if customer not in PAUSABLE:
        return
    if customer in state.wishes:
        yield Step(f"{customer} is resumed", resume(state, customer, without), helps=True)
    else:
        yield Step(f"{customer} is paused", pause(state, customer, without))


def recover(state: State, customer: Customer, without: Guard | None) -> State:
    counted = state._replace(suspected=state.suspected or customer == SUSPECT)
    freed = counted if without is Guard.RECOVER_ENDS_OWNERSHIP else _freed(counted, customer)
    return freed if without is Guard.RECOVER_STATES else set_state(freed, customer, without)


def unpark(state: State, customer: Customer, without: Guard | None) -> State:
    returning = state.held & set(EVENTS_OF[customer])
    empty = not state.waiting_of(customer) and not _states(
        state, customer
    )  # in a damaged state, a customer may be owned without any events
    state = state._replace(held=state.held - returning, waiting=state.waiting | returning)
    return set_state(state, customer, without) if empty and without is not Guard.UNPARK_STATES else state


def pause(state: State, customer: Customer, without: Guard | None) -> State:
    in_line = customer in state.ready | state.sleeping
    state = state._replace(
        ready=state.ready - {customer},
        sleeping=state.sleeping - {customer},
        wishes=state.wishes | {customer},
    )
    return set_state(state, customer, without) if in_line else state


def resume(state: State, customer: Customer, without: Guard | None) -> State:
    was_held = customer in state.paused
    state = state._replace(wishes=state.wishes - {customer}, paused=state.paused - {customer})
    return set_state(state, customer, without) if was_held else state


def set_state(state: State, customer: Customer, without: Guard | None, *, sleep: bool = False) -> State:
    if not state.waiting_of(customer):
        return state
    if customer in state.wishes and without is not Guard.SEAT_MINDS_PAUSE:
        return state._replace(paused=state.paused | {customer})
    if sleep:
        return state._replace(sleeping=state.sleeping | {customer})
    return state._replace(ready=state.ready | {customer})


def broken_invariant(state: State) -> str | None:
    """Name an invariant of the design that this state breaks."""
    checks = {
        "with events: exactly one of ready, leased, sleeping, paused; without events: none": state.hurt
        or all(_states(state, customer) == bool(state.waiting_of(customer)) for customer in EVENTS_OF),
        "every waiting or parked event has a payload, and the other way round": state.hurt
        or (state.waiting | state.held == state.payloads and not state.waiting & state.held),
        "at most one live lease a customer": len({owned for owned, _ in state.owners}) == len(state.owners),
        "whom an operator paused is not in line": not state.wishes & (state.ready | state.sleeping),
        "what was accepted is waiting, parked or in Postgres": state.accepted
        <= state.payloads | state.committed,
        "what left the mailbox is in Postgres": state.accepted - state.payloads <= state.committed,
    }
    return next((name for name, holds in checks.items() if not holds), None)


def stuck_states(found: Search) -> set[State]:
    """States from which a healthy system that gets no more events cannot empty the mailboxes."""
    with _no_collector():
        return _stuck_states(found)


def _stuck_states(found: Search) -> set[State]:
    before: dict[State, list[State]] = {}
    for state, moves in found.steps.items():
        for step in moves:
            if step.helps:
                before.setdefault(step.after, []).append(state)
    reached = {state for state in found.steps if not state.payloads}
    frontier = deque(reached)
    while frontier:
        for state in before.get(frontier.popleft(), ()):
            if state not in reached:
                reached.add(state)
                frontier.append(state)
    return set(found.steps) - reached


@contextmanager
def _no_collector() -> Iterator[None]:
    """Switch the garbage collector off: nothing found is released, and collecting takes longer than the search."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _states(state: State, customer: Customer) -> int:
    owned = {owned for owned, _ in state.owners}
    return sum(customer in where for where in (state.ready, owned, state.sleeping, state.paused))


def _same_but_for_names(state: State) -> State:
    """Tokens and workers are only names: states that differ in nothing else are one.

    A token is named after the worker that holds it, if it still owns anything.
    """
    turns = [turn for turn in state.workers if turn]
    if not turns and not state.owners:
        return state
    if len(turns) > 1:
        turns.sort(key=lambda turn: _looks(state, turn))
    living = {token for _, token in state.owners}
    names = {turn.token: number for number, turn in enumerate(turns) if turn.token in living}
    workers = [turn._replace(token=names.get(turn.token, STALE)) for turn in turns]
    owners = frozenset((customer, names.get(token, NOBODYS)) for customer, token in state.owners)
    return state._replace(workers=(*workers, *(None,) * (len(WORKERS) - len(workers))), owners=owners)


def _freed(state: State, customer: Customer) -> State:
    owners = frozenset(owner for owner in state.owners if owner[0] != customer)
    return state._replace(owners=owners)


def _looks(state: State, turn: Turn) -> tuple[list[Event], bool, list[Customer]]:
    owned = sorted(customer for customer, token in state.owners if token == turn.token)
    return sorted(turn.events), turn.committed, owned


def _hands(state: State, worker: int, turn: Turn | None) -> State:
    workers = list(state.workers)
    workers[worker] = turn
    return state._replace(workers=tuple(workers))


def _with(values: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    return (*values[:place], value, *values[place + 1 :])


def _way(came_from: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    names: list[str] = []
    while (origin := came_from[state]) is not None:
        state, name = origin
        names.append(name)
    return tuple(reversed(names))
