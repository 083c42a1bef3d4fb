"""A customer explained from both sides: what waits in its mailbox, and what its rows show and why.

Asked by any id of Stripe's (the customer's, that of what belongs to it, one of its events') or by an
e-mail address. Knows nothing of how an explanation is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cogento import runtime
from cogento.console.messages import (
    QueueContext,
    describe_ambiguity,
    describe_mailbox,
    describe_outcome,
    describe_row,
    waited,
)
from cogento.events.envelope import parse_envelope
from cogento.events.errors import OtherReleaseError, RejectedError
from cogento.events.kinds import OWNED_KINDS
from cogento.events.names import CustomerId, EventId, ObjectId
from cogento.ordering.explain import Tie, tie_of
from cogento.queue.worker_registry import Workforce
from cogento.retries import FailureClass
from cogento.store.errors import classify
from cogento.store.letter_records import UNRESOLVED, LetterFilter, LetterStatus

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from cogento.events.kinds.kind import Kind
    from cogento.queue.mailboxes import Mailboxes
    from cogento.queue.status import MailboxView
    from cogento.store.history import CustomerRecord, LedgerRecord, ObjectRecord, UnsureRecord
    from cogento.store.letter_records import Letter
    from cogento.store.store import Store

LISTED = 50
ANSWER_SECONDS = 20
CUSTOMER = "cus_"
TABLES_UNREAD = (
    "The tables could not be read: nothing is told of the row, of past events and of dead letters."
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ExplainedEvent:
    """A row of the ledger and what it means."""

    record: LedgerRecord
    meaning: str


@dataclass(frozen=True, slots=True)
class AmbiguousRow:
    """A row of which nobody knows how its object ends; no tie when another release wrote what it remembers."""

    object_id: ObjectId
    shown: EventId
    tie: Tie | None
    outlives_customer: bool


@dataclass(frozen=True, slots=True)
class CustomerRecords:
    """What the tables say of a customer; `event` is the one asked for, if it was an event.

    `objects` has what belongs to it, by kind.
    """

    customer: CustomerRecord | None
    objects: Mapping[Kind, Sequence[ObjectRecord]]
    events: Sequence[ExplainedEvent]
    event: ExplainedEvent | None
    letters: Sequence[Letter]
    unsure: Sequence[AmbiguousRow]


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """One event in the mailbox: how long it has waited, how often it failed, and why the last time."""

    event_id: EventId
    is_parked: bool
    waited: str
    attempts: int
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything known of one customer; `sentences` say what matters first. No records: see PartialExplanation."""

    asked: str
    customer_id: CustomerId
    sentences: Sequence[str]
    mailbox: MailboxView
    mail: Sequence[WaitingEvent]
    records: CustomerRecords | None


@dataclass(frozen=True, slots=True)
class PartialExplanation:
    """What waits, and nothing else: the tables could not be read, for this error."""

    explanation: Explanation
    error: Exception


@dataclass(frozen=True, slots=True)
class AmbiguousQuery:
    """What was asked for is several customers': an address that they share."""

    asked: str
    customers: Sequence[CustomerId]


def explain_id(
    asked: str, mailboxes: Mailboxes, store: Store
) -> Explanation | PartialExplanation | AmbiguousQuery | None:
    """Explain the customer that an id or address belongs to; None for one nobody has heard of.

    While Postgres is away only what waits is explained, if the mailboxes know whose it is: of a customer's id,
    and of an event that waits. Otherwise raises what they and the store raise when their servers are away.
    """
    try:
        customers = _ask(store.history.whose(asked))
        if len(customers) > 1:
            return AmbiguousQuery(asked, customers)
        customer_id = customers[0] if customers else _whose_mail(asked, mailboxes)
        if customer_id is None:
            return None
        records = _ask(_read(store, customer_id, asked))
    except _TablesUnavailableError as away:
        customer_id = CustomerId(asked) if asked.startswith(CUSTOMER) else _whose_mail(asked, mailboxes)
        if customer_id is None:
            raise away.error from None
        return PartialExplanation(_explanation(asked, customer_id, mailboxes, None), away.error)
    return _explanation(asked, customer_id, mailboxes, records)


class _TablesUnavailableError(Exception):
    """The tables cannot be read."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _ask(question: Coroutine[object, object, T]) -> T:
    """Ask the tables; raises _TablesUnavailableError where they are, or whatever is wrong besides."""
    try:
        return runtime.run(question, timeout_seconds=ANSWER_SECONDS)
    except Exception as error:
        if classify(error) is FailureClass.INFRASTRUCTURE:
            raise _TablesUnavailableError(error) from error
        raise


def _explanation(
    asked: str, customer_id: CustomerId, mailboxes: Mailboxes, records: CustomerRecords | None
) -> Explanation:
    """Put into words what is known: the event that was asked for first, then what waits, then the rows."""
    mailbox, now_ms = mailboxes.view(customer_id), mailboxes.now_ms()
    sentences = []

    event = records.event if records else None
    if event is not None:
        sentences.append(f"{asked} is {event.record.outcome}: {event.meaning}.")
    elif asked in {listed.event_id for listed in mailbox.waiting}:
        sentences.append(f"{asked} waits in the customer's mailbox.")
    elif asked in {listed.event_id for listed in mailbox.parked}:
        sentences.append(f"{asked} is parked until the customer's own event arrives.")

    context = QueueContext(
        now_ms=now_ms,
        halted=mailboxes.halted(),
        circuits=mailboxes.open_circuits(),
        workers=Workforce(mailboxes.workers.seen(), now_ms).alive,
    )
    sentences += describe_mailbox(mailbox, context)
    mail = [
        WaitingEvent(
            event_id=listed.event_id,
            is_parked=is_parked,
            waited=waited(listed, now_ms),
            attempts=listed.attempts,
            why=" ".join(filter(None, (listed.error_class, listed.error_code))),
        )
        for events, is_parked in ((mailbox.waiting, False), (mailbox.parked, True))
        for listed in events
    ]
    if records is not None:
        sentences += _of_records(records)
    else:
        if not (mailbox.waiting_total or mailbox.parked_total):
            sentences.append("Nothing waits in the mailbox.")
        sentences.append(TABLES_UNREAD)
    return Explanation(asked, customer_id, tuple(sentences), mailbox, mail, records)


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
                f"{letter.event_id} is a dead letter since {died}. {letter.message} "
                f"`cogento letters show {letter.id}` says what to do."
            )
    return sentences


def _whose_mail(asked: str, mailboxes: Mailboxes) -> CustomerId | None:
    """Find the customer of an id that only the mailboxes know."""
    as_customer = CustomerId(asked)
    mailbox = mailboxes.view(as_customer)
    if mailbox.waiting_total or mailbox.parked_total or mailbox.pause:
        return as_customer
    stored = mailboxes.find(EventId(asked))
    if stored is None:
        return None
    try:
        return parse_envelope(stored.body, now=mailboxes.now_ms() // 1000).customer_id
    except RejectedError:
        return None


async def _read(store: Store, customer_id: CustomerId, asked: str) -> CustomerRecords:
    event = await store.history.event(EventId(asked))
    events = await store.history.events(customer_id, limit=LISTED)
    return CustomerRecords(
        customer=await store.history.customer(customer_id),
        objects={kind: await store.history.objects(kind, customer_id, limit=LISTED) for kind in OWNED_KINDS},
        events=[ExplainedEvent(record, describe_outcome(record)) for record in events],
        event=ExplainedEvent(event, describe_outcome(event)) if event else None,
        letters=await store.letters.page(
            LetterFilter(statuses=frozenset(LetterStatus), about=customer_id), limit=LISTED
        ),
        unsure=[_unsure(record) for record in await store.history.unsure(customer_id, limit=LISTED)],
    )


def _unsure(record: UnsureRecord) -> AmbiguousRow:
    try:
        tie = tie_of(record.evidence, record.shown)
    except OtherReleaseError:
        tie = None
    return AmbiguousRow(record.object_id, record.shown, tie, record.outlives_customer)
