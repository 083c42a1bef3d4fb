"""A console whose pages show what they are given, from memory: every page is there, whatever a test asks of it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fakeredis import FakeServer
from jinja2 import BytecodeCache

from cogento.console.bulk_operations import BulkOperations, OperationDetails
from cogento.console.customers import CustomerService
from cogento.console.dead_letters import DeadLetterService, LetterDetails
from cogento.console.errors import Failure
from cogento.console.explain import NothingFound
from cogento.console.messages import describe_letter
from cogento.console.poller import Overview, StatusPoller, Throughput
from cogento.console.queue_actions import QueueActions
from cogento.console.sweeping import SweepRunner
from cogento.console.system import PostgresAnswer, RedisAnswer, Release, Setting, SystemService
from cogento.console.web.app import ConsoleServices, create_app
from cogento.events.names import CustomerId, EventId
from cogento.queue.redelivery import Redelivery
from cogento.reconcile.forget import ForgetReport, Forgetting
from cogento.store.activity import Activity, ActivityEntry
from cogento.store.letter_records import (
    Letter,
    LetterAction,
    LetterFilter,
    LetterGroup,
    LetterRow,
    LetterStatus,
    LetterStatuses,
    LetterSummary,
    RowSince,
)
from cogento.store.operations import Operation, OperationKind, OperationOutcome, OperationState
from cogento.store.personal_data import ErasedRows
from tests.support.fake_redis import FakeRedis
from tests.support.looped import LoopedMailboxes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from flask import Flask
    from jinja2.bccache import Bucket

    from cogento.console.explain import AmbiguousQuery, Explanation, PartialExplanation
    from cogento.console.web.access import LocalAccess, ProxyAccess
    from cogento.console.web.frame import DashboardAccount
    from cogento.console.web.login import LoginViews
    from cogento.console.web.proxies import Proxies
    from cogento.queue.mailboxes import Mailboxes

    Explained = Callable[[str], Explanation | PartialExplanation | AmbiguousQuery | NothingFound]

UNSEEN = Overview(None, None, Throughput(0, 0), (), (), ())
WHEN = dt.datetime(2025, 10, 9, 8, 53, 20, tzinfo=dt.UTC)

NO_ROW = LetterRow(RowSince.ABSENT, None, None, has_ended=False)


def nobody(asked: str) -> NothingFound:
    """Find nothing; an id with characters that no text can have raises, as when it is sent to a server."""
    asked.encode()
    return NothingFound(asked, 0, 0)


def kept(number: int = 1, **fields: Any) -> Letter:
    """A letter as the tables keep it."""
    return Letter(
        **{
            "id": number,
            "event_id": EventId(f"evt_{number}"),
            "event_type": "customer.updated",
            "customer_id": CustomerId("cus_1"),
            "object_id": "cus_1",
            "livemode": False,
            "api_version": None,
            "event_created_at": WHEN,
            "received_at": WHEN,
            "first_attempt_at": None,
            "died_at": WHEN,
            "attempts": 5,
            "starts": 0,
            "reason": "bug",
            "failure_class": "bug",
            "failure_code": "P0001",
            "constraint_name": None,
            "message": "Something we did not foresee.",
            "fingerprint": "f00d",
            "worker_version": "0.1.0",
            "source": "webhook",
            "status": LetterStatus.OPEN,
            "retrying_since": None,
            "resolution": None,
            "resolved_by": None,
            "resolved_at": None,
            "replays": 0,
            "raw_sha256": "ab" * 32,
            "removal": False,
            "has_body": True,
            **fields,
        }
    )


class FakePoller(StatusPoller):
    """Has seen one overview, by default of two servers that are away."""

    def __init__(self, seen: Overview = UNSEEN) -> None:
        self.seen = seen

    def overview(self) -> Overview:
        return self.seen


class FakeForgetting(Forgetting):
    """Knows nobody."""

    def __init__(self) -> None: ...

    async def plan(self, customer_id: CustomerId, *, names: Collection[str] = ()) -> ForgetReport:
        del names  # knows nobody by any name
        return ForgetReport(customer_id, ErasedRows(0, 0, 0, 0, 0, 0), 0)


class FakeCustomers(CustomerService):
    """Returns the explanations that a test gives it; has nobody to forget, and no tables to record actions in."""

    def __init__(self, explained: Explained = nobody, mailboxes: Mailboxes | None = None) -> None:
        self.explained = explained
        self.forgetting = FakeForgetting()
        self.queue = QueueActions(mailboxes or empty_mailboxes(), None)
        self._reconciliation = None

    def find(self, asked: str) -> Explanation | PartialExplanation | AmbiguousQuery | NothingFound:
        return self.explained(asked)


@dataclass
class FakeActivity(Activity):
    """Returns the activity that it is given."""

    entries: list[ActivityEntry] = field(default_factory=list)

    async def page(self, *_args: Any, **_terms: Any) -> list[ActivityEntry]:
        return self.entries


class FakeSystem(SystemService):
    """Knows servers that are away."""

    def __init__(self) -> None:
        self.release = Release("0.1.0", "0001", "3.12.0")

    def redis(self) -> RedisAnswer:
        return RedisAnswer(problem="Redis is unreachable.")

    def postgres(self) -> PostgresAnswer:
        return PostgresAnswer(problem="PostgreSQL is unreachable.")

    def settings(self) -> Sequence[Setting]:
        return [Setting("PORT", "8001")]


class FakeSweeps(SweepRunner):
    """Has no key to ask Stripe with."""

    is_possible = False
    last = None

    def __init__(self) -> None: ...


def empty_mailboxes() -> Mailboxes:
    """Make mailboxes in a Redis of their own, which is a fake."""
    return LoopedMailboxes.on(FakeRedis(server=FakeServer())).looped


def fake_console(
    seen: Overview = UNSEEN,
    *,
    login: LoginViews | ProxyAccess | LocalAccess | None = None,
    hosts: Collection[str] = frozenset({"localhost"}),
    metrics_token: str | None = None,
    proxies: Proxies | None = None,
    account: DashboardAccount | None = None,
    **given: Any,
) -> Flask:
    """Make the application; `given` are services that are not fakes, or fakes with data."""
    mailboxes = given.get("mailboxes") or empty_mailboxes()
    services: dict[str, Any] = {
        "poller": FakePoller(seen),
        "mailboxes": mailboxes,
        "dead_letters": FakeDeadLetters(),
        "customers": FakeCustomers(mailboxes=mailboxes),
        "activity": FakeActivity(),
        "system": FakeSystem(),
        "sweeps": FakeSweeps(),
        **given,
    }
    app = create_app(
        ConsoleServices(**services),
        hosts=hosts,
        login=login,
        metrics_token=metrics_token,
        proxies=proxies,
        account=account,
    )
    if account is None:  # addresses of an account may stand in what is compiled
        app.jinja_env.bytecode_cache = COMPILED
    return app


class CompiledTemplates(BytecodeCache):
    """What Jinja made of each template for an earlier application: to make it anew takes longer than most tests."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


COMPILED = CompiledTemplates()


def operation(number: int = 7, **fields: Any) -> Operation:
    """A bulk operation as the tables keep it."""
    return Operation(
        **{
            "id": number,
            "kind": OperationKind.RETRY,
            "filter": LetterFilter(),
            "newest_letter": 449,
            "total": 395,
            "counts": {},
            "state": OperationState.RUNNING,
            "who": "ops-1 (console)",
            "why": "INC-7",
            "rate": None,
            "runner": "a",
            "error": None,
            "begun_at": WHEN,
            "heartbeat_at": WHEN,
            "finished_at": None,
            "seconds": 2,
            **fields,
        }
    )


@dataclass
class FakeOperations(BulkOperations):
    """Has the operations that it is given; `problem` is why none can be begun."""

    operations: list[Operation] = field(default_factory=list)
    outcomes: list[OperationOutcome] = field(default_factory=list)
    problem: str = ""

    def start(
        self,
        kind: OperationKind,
        which: LetterFilter,
        *,
        who: str,
        why: str,
        rate: int | None = None,
        shown: int | None = None,
    ) -> Operation:
        if self.problem:
            raise Failure(self.problem)
        begun = operation(kind=kind, filter=which, who=who, why=why, rate=rate, total=shown)
        self.operations.append(begun)
        return begun

    def continue_(self, operation_id: int, *, who: str) -> Operation:
        changed = self._change(operation_id, state=OperationState.RUNNING, who=who)
        if changed is None:
            raise Failure(f"Operation {operation_id} cannot be continued.")
        return changed

    def stop(self, operation_id: int, *, who: str) -> bool:
        return bool(self._change(operation_id, state=OperationState.STOPPING, who=who))

    def read(self, operation_id: int) -> OperationDetails | None:
        found = [one for one in self.operations if one.id == operation_id]
        return OperationDetails(found[0], self.outcomes) if found else None

    def page(self, *, below: int | None = None, limit: int = 50) -> Sequence[Operation]:
        return [one for one in self.operations if below is None or one.id < below][:limit]

    def _change(self, operation_id: int, **fields: Any) -> Operation | None:
        changed = [replace(one, **fields) for one in self.operations if one.id == operation_id]
        self.operations = changed or self.operations
        return changed[0] if changed else None


MORE = 2**63


@dataclass
class FakeDeadLetters(DeadLetterService):
    """Has the letters that it is given; `answer` is the result of a retry."""

    letters: list[Letter] = field(default_factory=list)
    answer: Redelivery = Redelivery.PUT_BACK
    done: list[LetterAction] = field(default_factory=list)
    row: LetterRow = NO_ROW
    payload: bytes | None = None
    operations: FakeOperations = field(default_factory=FakeOperations)
    paused_customers: int = 0
    many: bool = False
    """Whether there are more of a cause, and of resolved letters, than are counted."""

    def groups(self, which: LetterFilter, *, newest: int | None = None, limit: int = 1) -> list[LetterGroup]:
        groups = [_group(letter) for letter in self.page(which, limit=limit)][:newest]
        return [replace(group, letters=newest or 1) for group in groups] if self.many else groups

    def page(self, which: LetterFilter, *, below: int | None = None, limit: int = 100) -> list[Letter]:
        most = min(which.newest or MORE, (below or MORE) - 1)
        older = [one for one in self.letters if (which.oldest or 1) <= one.id <= most]
        wanted = [one for one in older if one.status in which.statuses]
        return [one for one in wanted if which.fingerprint in {None, one.fingerprint}][:limit]

    def summary(
        self, which: LetterFilter, *, customers_of: int | None = None, causes: int = 1
    ) -> LetterSummary:
        wanted = [one for one in self.page(which) if which.ids is None or one.id in which.ids]
        return LetterSummary(
            letters=len(wanted),
            customers=len({one.customer_id for one in wanted}),
            paused_customers=self.paused_customers,
            newest=max((one.id for one in wanted), default=0),
            customers_of=len(wanted) if customers_of is None else min(customers_of, len(wanted)),
            causes=[_group(one) for one in wanted[:causes]],
        )

    def statuses(self, *, count_to: int) -> LetterStatuses:
        counted = Counter(one.status for one in self.letters)
        counts = {status: min(count, count_to) for status, count in counted.items()}
        counts |= {LetterStatus.RESOLVED: count_to} if self.many else {}
        return LetterStatuses(counts, max((one.id for one in self.letters), default=0))

    def rows(self, letters: Collection[Letter]) -> dict[int, LetterRow]:
        return {one.id: self.row for one in letters}

    def body(self, letter_id: int) -> bytes | None:
        return self.payload if any(one.id == letter_id for one in self.letters) else None

    def reveal(self, letter: Letter, *, who: str, why: str) -> bytes | None:
        self.done.append(LetterAction(WHEN, "reveal", who, why))
        return self.body(letter.id)

    def find(self, asked: str) -> Letter | None:
        return next((one for one in self.letters if str(one.id) == asked), None)

    def open(self, letter: Letter) -> LetterDetails:
        return LetterDetails(letter, describe_letter(letter, waits=True), "Look into it.", tuple(self.done))

    def retry(self, letter_ids: Collection[int], *, who: str, why: str | None) -> dict[int, Redelivery]:
        self._close(LetterStatus.RETRYING, LetterAction(WHEN, "retry", who, why))
        return dict.fromkeys(letter_ids, self.answer)

    def discard(self, letter_ids: Collection[int], *, who: str, why: str) -> int:
        self._close(LetterStatus.DISCARDED, LetterAction(WHEN, "discard", who, why))
        return len(letter_ids)

    def reopen(self, letter_ids: Collection[int], *, who: str, why: str) -> int:
        self._close(LetterStatus.OPEN, LetterAction(WHEN, "reopen", who, why))
        return len(letter_ids)

    def _close(self, status: LetterStatus, action: LetterAction) -> None:
        self.letters = [replace(one, status=status) for one in self.letters]
        self.done.append(action)


def _group(letter: Letter) -> LetterGroup:
    return LetterGroup(
        fingerprint=letter.fingerprint,
        event_type=letter.event_type,
        reason=letter.reason,
        failure_class=letter.failure_class,
        failure_code=letter.failure_code,
        constraint_name=letter.constraint_name,
        message=letter.message,
        letters=1,
        customers=1,
        removals=int(letter.removal),
        first_died_at=WHEN,
        last_died_at=WHEN,
    )
