"""A customer explained from both sides: what waits in its mailbox, and what its rows show and why.

Found by any id of Stripe's (of the customer, of one of its objects or events), by a user_id or by an e-mail address. Knows
nothing of how an explanation is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cogento import runtime
from cogento.console.messages import describe_ambiguity, describe_outcome, describe_row
from cogento.console.queue_messages import QueueContext, describe_mailbox, waited
from cogento.events.addresses import canonical_address
from cogento.events.envelope import ANY_TIME, parse_envelope, parse_whole
from cogento.events.errors import OtherReleaseError, RejectedError
from cogento.events.event import read_status_change
from cogento.events.kinds import OWNED_KINDS
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.ordering.explain import Tie, tie_of
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.worker_registry import Workforce
from cogento.retries import FailureClass
from cogento.store.errors import classify
from cogento.store.letter_records import UNRESOLVED, LetterFilter, LetterStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence

    from cogento.events.envelope import Envelope
    from cogento.events.kinds.kind import Kind
    from cogento.queue.mailboxes import Mailboxes
    from cogento.queue.status import MailboxView
    from cogento.store.history import CustomerRecord, LedgerRecord, ObjectRecord, UnsureRecord
    from cogento.store.letter_records import Letter
    from cogento.store.store import Store

LISTED = 50
ANSWER_SECONDS = 20
CUSTOMER, EVENT = "cus_", "evt_"
TABLES_UNREAD = (
    "The tables could not be read: nothing is told of the row, of past events and of dead letters."
)
MAILBOX_UNREAD = "Redis could not be read: nothing is told of what waits, and of pauses."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ExplainedEvent:
    """A row of the ledger and what it means."""

    record: LedgerRecord
    meaning: str


@dataclass(frozen=True, slots=True)
class AmbiguousRow:
    """A row whose events leave open which of them is last; `tie` is None when another release wrote what the row remembers."""

    object_id: ObjectId
    shown: EventId
    tie: Tie | None
    outlives_customer: bool


@dataclass(frozen=True, slots=True)
class CustomerRecords:
    """What the tables say of a customer; `event` is the event asked for, if it was one.

    `objects` are the customer's objects, by kind.
    """

    customer: CustomerRecord | None
    objects: Mapping[Kind, Sequence[ObjectRecord]]
    events: Sequence[ExplainedEvent]
    event: ExplainedEvent | None
    letters: Sequence[Letter]
    unsure: Sequence[AmbiguousRow]


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """One event in the mailbox: how long it has waited, how often it failed, and why the last time.

    `object_id` is its object, `event_type` what happened and `change` how that changes the object's status, if it does; all are
    empty for an event that cannot be read.
    """

    event_id: EventId
    event_type: str
    object_id: str
    change: str
    is_parked: bool
    waited: str
    attempts: int
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything known of one customer; `sentences` say what matters first. Without mailbox or records it is the part of a PartialExplanation."""

    asked: str
    customer_id: CustomerId
    sentences: Sequence[str]
    mailbox: MailboxView | None
    waiting_events: Sequence[WaitingEvent]
    records: CustomerRecords | None


@dataclass(frozen=True, slots=True)
class PartialExplanation:
    """What one server knows; the other could not be read, because of `error`."""

    explanation: Explanation
    error: Exception


@dataclass(frozen=True, slots=True)
class AmbiguousQuery:
    """What was asked for belongs to several customers: an address that they share, or an id with which events named them all."""

    asked: str
    customers: Sequence[CustomerId]

    @property
    def is_address(self) -> bool:
        """Tell whether an address was asked for."""
        return "@" in self.asked


@dataclass(frozen=True, slots=True)
class NothingFound:
    """Nothing was found; `looked_through` of the `waiting` events were searched, and are about something else.

    None is searched where the id itself says in which mailbox it would be.
    """

    asked: str
    looked_through: int
    waiting: int

    @property
    def sentences(self) -> Sequence[str]:
        """Say what was searched."""
        said = [f"Nothing found for “{self.asked}”: no row, processed event or dead letter matches."]
        if self.looked_through < self.waiting:
            said.append(
                f"Of {self.waiting:,} waiting events the first {self.looked_through:,} were looked through, "
                "and none is about it: ask again later, or for its customer."
            )
        elif self.looked_through:
            said.append(f"All {self.looked_through:,} waiting events were looked through; none is about it.")
        else:
            said.append("No waiting event matches either.")
        return said


def explain_id(
    asked: str, mailboxes: Mailboxes, store: Store, *, limit: int = LISTED
) -> Explanation | PartialExplanation | AmbiguousQuery | NothingFound:
    """Explain the customer that an id or address belongs to, with at most `limit` rows, events and letters of each kind.

    An object that only waiting events name is looked for in them, in some thousands at most. While Postgres is away only what
    waits is explained; while Redis is away, only what the tables know. Raises what the mailboxes and the store raise when the
    answer needs the server that is away.
    """
    asked = asked.strip()
    found_in = None
    try:
        customers = _ask(store.history.whose(asked))
        if len(customers) > 1:
            return AmbiguousQuery(asked, customers)
        if not customers:
            found = _search(asked, mailboxes)
            if isinstance(found, NothingFound):
                return found
            found_in = found.event_id
            customers = [found.customer_id]
        records = _ask(_read(store, customers[0], asked, limit=limit))
    except _TablesUnavailableError as away:
        known = asked.startswith(CUSTOMER)
        found = _WaitingIn(CustomerId(asked)) if known else _search(asked, mailboxes)
        if isinstance(found, NothingFound):
            raise away.error from None
        explanation = _explanation(asked, found.customer_id, mailboxes, None, found_in=found.event_id)
        return PartialExplanation(explanation, away.error)
    try:
        return _explanation(asked, customers[0], mailboxes, records, found_in=found_in)
    except MailboxUnavailable as error:
        return PartialExplanation(_of_tables_alone(asked, customers[0], records), error)


class _TablesUnavailableError(Exception):
    """The tables cannot be read."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _ask(question: Coroutine[object, object, T]) -> T:
    """Query the tables; raises _TablesUnavailableError where they cannot be read, and other errors as they are."""
    try:
        return runtime.run(question, timeout_seconds=ANSWER_SECONDS)
    except Exception as error:
        if classify(error) is FailureClass.INFRASTRUCTURE:
            raise _TablesUnavailableError(error) from error
        raise


def _explanation(
    asked: str,
    customer_id: CustomerId,
    mailboxes: Mailboxes,
    records: CustomerRecords | None,
    *,
    found_in: EventId | None,
) -> Explanation:
    """Put into words what is known: first the event that was asked for, then what waits, then the rows."""
    mailbox, now_ms = runtime.run(mailboxes.view(customer_id)), runtime.run(mailboxes.now_ms())
    sentences = []

    event = records.event if records else None
    if event is not None:
        sentences.append(f"{asked}: {event.meaning}.")
    elif asked in {listed.event_id for listed in mailbox.waiting}:
        sentences.append(f"{asked} is waiting, in its customer's order.")
    elif asked in {listed.event_id for listed in mailbox.parked}:
        sentences.append(f"{asked} is waiting for the customer's own event.")
    elif found_in is not None:
        sentences.append(
            f"{asked} is what {found_in} is about, which waits: no row has been written from it yet."
        )

    context = QueueContext(
        now_ms=now_ms,
        pause_of_everything=runtime.run(mailboxes.pause_of_everything()),
        circuits=runtime.run(mailboxes.open_circuits()),
        workers=Workforce(runtime.run(mailboxes.workers.seen()), now_ms).alive,
    )
    sentences += describe_mailbox(mailbox, context)
    waiting_events = _read_waiting(mailbox, mailboxes, now_ms)
    if records is not None:
        sentences += _of_records(records)
    else:
        if not mailbox.has_events:
            sentences.append("Nothing waits in the mailbox.")
        sentences.append(TABLES_UNREAD)
    return Explanation(asked, customer_id, tuple(sentences), mailbox, waiting_events, records)


def _of_tables_alone(asked: str, customer_id: CustomerId, records: CustomerRecords) -> Explanation:
    event = [f"{asked}: {records.event.meaning}."] if records.event else []
    sentences = (*event, MAILBOX_UNREAD, *_of_records(records))
    return Explanation(asked, customer_id, sentences, None, (), records)


def _read_waiting(mailbox: MailboxView, mailboxes: Mailboxes, now_ms: int) -> list[WaitingEvent]:
    """Say of each event in a mailbox what it is about, how long it has waited, and how it failed."""
    listed = [
        (one, is_parked)
        for events, is_parked in ((mailbox.waiting, False), (mailbox.parked, True))
        for one in events
    ]
    bodies = (
        runtime.run(mailboxes.search.bodies(mailbox.customer_id, [one.event_id for one, _ in listed]))
        if listed
        else {}
    )
    envelopes = {id_: _envelope_of(body) for id_, body in bodies.items()}
    waiting_events = []
    for one, is_parked in listed:
        envelope = envelopes.get(one.event_id)
        waiting_events.append(
            WaitingEvent(
                event_id=one.event_id,
                event_type=envelope.type if envelope else "",
                object_id=envelope.object_id if envelope else "",
                change=str(read_status_change(envelope.body)) if envelope else "",
                is_parked=is_parked,
                waited=waited(one, now_ms),
                attempts=one.attempts,
                why=" ".join(filter(None, (one.error_class, one.error_code))),
            )
        )
    return waiting_events


def _of_records(records: CustomerRecords) -> list[str]:
    sentences = describe_row(records.customer)
    for row in records.unsure:
        sentences += describe_ambiguity(
            row.object_id, row.shown, row.tie, outlives_customer=row.outlives_customer
        )
    for letter in records.letters:
        if letter.status in UNRESOLVED:
            died = f"{letter.died_at:%Y-%m-%d %H:%M} UTC"
            sentences.append(
                f"{letter.event_id} became a dead letter at {died}: {letter.message.rstrip('.')}. "
                f"`cogento letters show {letter.id}` says what to do."
            )
    return sentences


@dataclass(frozen=True, slots=True)
class _WaitingIn:
    """The mailbox in which something was found, and the event, if the events were searched."""

    customer_id: CustomerId
    event_id: EventId | None = None


def _search(asked: str, mailboxes: Mailboxes) -> _WaitingIn | NothingFound:
    """Find the mailbox of something that only the mailboxes know."""
    as_customer = CustomerId(asked)
    mailbox = runtime.run(mailboxes.view(as_customer))
    if mailbox.has_events or mailbox.pause:
        return _WaitingIn(as_customer)
    stored = runtime.run(mailboxes.find(EventId(asked)))
    envelope = _envelope_of(stored.body) if stored else None
    if envelope is not None:
        return _WaitingIn(envelope.customer_id)
    if asked.startswith((CUSTOMER, EVENT)):
        return NothingFound(asked, 0, 0)
    status, wanted = runtime.run(mailboxes.status()), _mention(asked)
    found = runtime.run(mailboxes.search.find(wanted))
    if found.customer_id is None:
        return NothingFound(
            asked, found.looked_through, max(status.waiting + status.parked, found.looked_through)
        )
    return _WaitingIn(found.customer_id, found.event_id)


def _mention(asked: str) -> Callable[[bytes], bool]:
    """Return a test of events' bodies: whether they are about an object, or about a customer with an address."""
    address = canonical_address(asked)
    written = asked.lower().encode(errors="replace") if asked.isascii() else b""

    def is_about(body: bytes) -> bool:
        if written not in body.lower():
            return False
        try:
            whole, envelope = parse_whole(body, now=ANY_TIME)
        except RejectedError:
            return False
        email = whole.data.object.get("email")
        is_address = isinstance(email, str) and canonical_address(email) == address
        return envelope.object_id == asked or is_address

    return is_about


def _envelope_of(body: bytes) -> Envelope | None:
    try:
        return parse_envelope(body, now=ANY_TIME)
    except RejectedError:
        return None


async def _read(store: Store, customer_id: CustomerId, asked: str, *, limit: int) -> CustomerRecords:
    event = await store.history.event(EventId(asked))
    events = await store.history.events(customer_id, limit=limit)
    return CustomerRecords(
        customer=await store.history.customer(customer_id),
        objects={kind: await store.history.objects(kind, customer_id, limit=limit) for kind in OWNED_KINDS},
        events=[ExplainedEvent(record, str(describe_outcome(record))) for record in events],
        event=ExplainedEvent(event, str(describe_outcome(event))) if event else None,
        letters=await _letters(store, {customer_id, asked}, limit=limit),
        unsure=[_unsure(record) for record in await store.history.unsure(customer_id, limit=limit)],
    )


async def _letters(store: Store, ids: Collection[str], *, limit: int) -> list[Letter]:
    """Read the letters about any of these, the newest first: one of a thin event names its object, and no customer."""
    every = frozenset(LetterStatus)
    pages = [
        await store.letters.page(LetterFilter(statuses=every, about=about), limit=limit) for about in ids
    ]
    letters = {letter.id: letter for page in pages for letter in page}
    return [letters[id_] for id_ in sorted(letters, reverse=True)][:limit]


def _unsure(record: UnsureRecord) -> AmbiguousRow:
    try:
        tie = tie_of(record.evidence, record.shown)
    except OtherReleaseError:
        tie = None
    return AmbiguousRow(record.object_id, record.shown, tie, record.outlives_customer)
