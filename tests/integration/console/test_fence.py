"""When a setting keeps every event out, people are told which; the receivers' notes go through a real server."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from cogento import runtime
from cogento.console.attention import Seen, Tone, judge
from cogento.console.messages import describe_kept_out
from cogento.events.fence import Fence, Fenced
from cogento.events.names import EventId
from cogento.queue import fence as fence_notes
from receiver.tally import FenceTally
from tests.support.figures import queue_figures, table_figures
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.console.conftest import Run
    from tests.support.looped import LoopedMailboxes

OWN = Fence(livemode=False, account="acct_OWN")
TEST, LIVE = Fence(livemode=False, account=None), Fence(livemode=True, account=None)
OTHER_MODE, OTHER_ACCOUNT, NO_ACCOUNT = Fenced


def keep_out(mailboxes: LoopedMailboxes, fence: Fence, reason: Fenced, *, events: int = 1) -> None:
    mailboxes.fence_notes.note(fence, let_in=0, kept_out={reason: events})


def let_in(mailboxes: LoopedMailboxes, fence: Fence) -> None:
    mailboxes.fence_notes.note(fence, let_in=1, kept_out={})


def told(mailboxes: LoopedMailboxes) -> str | None:
    return describe_kept_out(mailboxes.fence_notes.everything_kept_out())


@pytest.mark.parametrize(
    ("fence", "reason", "said"),
    [
        (OWN, NO_ACCOUNT, "they name no account, and STRIPE_ACCOUNT=acct_OWN takes those that name it"),
        (OWN, OTHER_ACCOUNT, "other accounts than the acct_OWN of STRIPE_ACCOUNT"),
        (TEST, OTHER_ACCOUNT, "STRIPE_ACCOUNT, which says whose events are taken, is unset"),
        (TEST, OTHER_MODE, "they are live events, and STRIPE_LIVEMODE is false"),
        (LIVE, OTHER_MODE, "they are test events, and STRIPE_LIVEMODE is true"),
    ],
)
def test_t16_status_names_the_setting_that_keeps_everything_out(
    run: Run, mailboxes: LoopedMailboxes, fence: Fence, reason: Fenced, said: str
) -> None:
    keep_out(mailboxes, fence, reason, events=4)
    keep_out(mailboxes, fence, reason)

    why = json.loads(run("status", "--json").output)["kept_out"]

    assert why.startswith("none of the last 5 events: ")
    assert said in why
    assert f"\ntaken                       {why}\n" in run("status").output


def test_t16_the_console_says_that_no_event_is_taken_and_why(mailboxes: LoopedMailboxes) -> None:
    keep_out(mailboxes, OWN, NO_ACCOUNT)

    kept_out = mailboxes.fence_notes.everything_kept_out()
    verdict = judge(Seen(queue=queue_figures(kept_out=kept_out), tables=table_figures()))

    (line,) = verdict.lines
    assert (verdict.tone, line.label) == (Tone.BAD, "not taken")
    assert "STRIPE_ACCOUNT=acct_OWN" in line.text


def on_the_loop(count: Callable[[], object]) -> None:
    """Count as an intake does."""

    async def call() -> None:
        count()

    runtime.run(call())


def test_t16_what_the_receiver_keeps_out_is_noted_by_itself(mailboxes: LoopedMailboxes) -> None:
    tally = FenceTally(OWN, mailboxes.looped.fence_notes)

    on_the_loop(partial(tally.keep_out, NO_ACCOUNT, EventId("evt_1")))

    wait_until(lambda: told(mailboxes) is not None, what="a note of the receiver's")


def test_what_the_receiver_lets_in_after_that_is_noted_as_well(mailboxes: LoopedMailboxes) -> None:
    tally = FenceTally(OWN, mailboxes.looped.fence_notes, every_seconds=0.01)
    on_the_loop(partial(tally.keep_out, NO_ACCOUNT, EventId("evt_1")))
    wait_until(lambda: told(mailboxes) is not None, what="a note of what was kept out")

    on_the_loop(tally.let_in)

    wait_until(lambda: told(mailboxes) is None, what="a note of what was let in")


def test_nothing_is_said_while_nothing_comes_or_events_are_let_in(mailboxes: LoopedMailboxes) -> None:
    assert told(mailboxes) is None
    let_in(mailboxes, OWN)
    keep_out(mailboxes, OWN, OTHER_ACCOUNT)
    assert told(mailboxes) is None


def test_events_of_others_between_ours_are_not_added_up(
    mailboxes: LoopedMailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fence_notes, "QUIET_MS", 0)
    keep_out(mailboxes, OWN, OTHER_ACCOUNT, events=7)
    let_in(mailboxes, OWN)
    assert told(mailboxes) is None
    keep_out(mailboxes, OWN, OTHER_ACCOUNT, events=2)
    assert (told(mailboxes) or "").startswith("none of the last 2 events")


def test_other_settings_begin_anew(mailboxes: LoopedMailboxes) -> None:
    let_in(mailboxes, TEST)
    keep_out(mailboxes, OWN, NO_ACCOUNT)
    assert told(mailboxes) is not None
    keep_out(mailboxes, replace_livemode(OWN), OTHER_MODE)
    assert "STRIPE_LIVEMODE is true" in (told(mailboxes) or "")
    assert "last 1 event:" in (told(mailboxes) or "")


def replace_livemode(fence: Fence) -> Fence:
    return Fence(livemode=not fence.livemode, account=fence.account)


def test_status_says_that_no_signature_is_good_until_one_is(
    run: Run, mailboxes: LoopedMailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fence_notes, "QUIET_MS", 0)
    tally = FenceTally(TEST, mailboxes.looped.fence_notes, every_seconds=0.01)
    on_the_loop(tally.refuse_signature)
    wait_until(lambda: bad_signatures(mailboxes) == 1, what="a note of the signature")
    assert "bad signatures  1 webhook was refused for the signature" in run("status", "--check").output
    on_the_loop(tally.let_in)
    wait_until(lambda: bad_signatures(mailboxes) == 0, what="a note of what was let in")


def test_secret_is_right_where_it_signed_what_is_kept_out(mailboxes: LoopedMailboxes) -> None:
    mailboxes.fence_notes.note(OWN, let_in=0, kept_out={}, bad_signatures=3)
    keep_out(mailboxes, OWN, NO_ACCOUNT)
    assert bad_signatures(mailboxes) == 0
    assert told(mailboxes) is not None


def bad_signatures(mailboxes: LoopedMailboxes) -> int:
    return mailboxes.fence_notes.read().bad_signatures
