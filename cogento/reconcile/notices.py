"""Objects of which thin events told: Stripe is asked for each once a burst of changes, and the answer is mail.

What has to be asked for stands in Postgres until an answer has been applied (cogento/store/notices.py): a crash
anywhere, or a Redis that is emptied, means that it is asked for again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from cogento import runtime
from cogento.events.event import read_notice
from cogento.events.letters import MESSAGES, PARKED_SECONDS, LetterReason
from cogento.events.names import CustomerId
from cogento.events.retry import FailureClass
from cogento.queue.mail import Source
from cogento.reconcile.rests import Rests
from cogento.store.doubts import Doubt
from cogento.store.letters import DeadLetter
from cogento.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogento.queue.mailboxes import Mailboxes
    from cogento.reconcile.questions import Questions
    from cogento.store.notices import Noticed
    from cogento.store.store import Store
    from cogento.stripe.errors import StripeApiError

log = structlog.get_logger()

AT_ONCE = 100

QUIET_SECONDS = 3.0
"""How long nothing more is told of an object before Stripe is asked: by then the answer is surely later."""

LONGEST_SECONDS = 15.0
"""Of what changes all the time Stripe is asked all the same."""


class Notices:
    """Asks for them; one process at a time does. `clock` is monotonic."""

    def __init__(
        self, store: Store, mailboxes: Mailboxes, questions: Questions, *, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._mailboxes = mailboxes
        self._questions = questions
        self._rests = Rests(clock)

    def ask(self) -> bool:
        """Ask for objects of which was told; tells whether there may be more."""
        due = self._due()
        noticed = [one for one in due if not self._has_mail(one)]
        if not noticed:
            return False
        failures = self._questions.ask([_question(one) for one in noticed])
        for one in noticed:
            self._rests.begin(one.object_id, failures.get(one.object_id), waited_seconds=one.waited_seconds)
        self._give_up([one for one in noticed if _is_hopeless(one, failures.get(one.object_id))])
        return len(due) == AT_ONCE

    def _due(self) -> list[Noticed]:
        due = self._store.notices.due(
            quiet_seconds=QUIET_SECONDS,
            longest_seconds=LONGEST_SECONDS,
            besides=self._rests.resting(),
            limit=AT_ONCE,
        )
        return runtime.run(due)

    def _has_mail(self, noticed: Noticed) -> bool:
        """Whether more of its events wait, or an answer of before."""
        return self._mailboxes.look(_mailbox_of(noticed)).waiting_total > 0

    def _give_up(self, hopeless: Sequence[Noticed]) -> None:
        """Bury first: a crash in between means that it is done again."""
        if hopeless:
            log.error("refetch_abandoned", objects=[one.object_id for one in hopeless])
            runtime.run(self._store.insert_dead_letters([_letter(one) for one in hopeless]))
            runtime.run(self._store.notices.give_up([one.object_id for one in hopeless]))


def _mailbox_of(noticed: Noticed) -> CustomerId:
    return CustomerId(noticed.object_id)


def _question(noticed: Noticed) -> Doubt:
    return Doubt(noticed.kind, noticed.object_id, _mailbox_of(noticed))


def _is_hopeless(noticed: Noticed, error: StripeApiError | None) -> bool:
    return error is not None and error.is_missing and noticed.waited_seconds > PARKED_SECONDS


def _letter(noticed: Noticed) -> DeadLetter:
    notice = read_notice(noticed.raw_body)
    return DeadLetter(
        event_id=notice.id,
        type=notice.type,
        customer_id=notice.customer_id,
        object_id=notice.object_id,
        created=notice.created,
        body=notice.body,
        received_ms=int((time.time() - noticed.waited_seconds) * 1000),
        source=Source.WEBHOOK,
        attempts=0,
        reason=LetterReason.OBJECT_MISSING,
        message=MESSAGES[LetterReason.OBJECT_MISSING],
        failure_class=FailureClass.PERMANENT,
        removal=noticed.ends,
        livemode=notice.livemode,
        worker_version=VERSION,
    )
