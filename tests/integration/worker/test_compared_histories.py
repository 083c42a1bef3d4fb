"""The eighteen histories of docs/compared.md, through mailboxes and worker: no row is wrong, and one that is made wrong is found."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from bench.compared.cases import judge, told
from bench.compared.judging import found_in, wanted_of
from bench.compared.results import OURS
from cogento.events.envelope import parse_envelope
from cogento.local.stripe.account import Account
from cogento.local.stripe.truth import truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.compared.cases import Case
    from tests.support.post import Post

    Deliver = Callable[[Post, Case], None]


def one_by_one(post: Post, case: Case) -> None:
    """Let the worker settle each event before the next one comes."""
    for body in case.deliveries:
        post.mailboxes.put([parse_envelope(body, now=int(time.time()))])
        post.drain()


def together(post: Post, case: Case) -> None:
    """Let the worker find all of them in one turn."""
    for body in case.deliveries:
        post.mailboxes.put([parse_envelope(body, now=int(time.time()))])
    post.drain()


def deliver_all(deliver: Deliver, post: Post, cases: list[Case]) -> None:
    """Deliver one history after the other."""
    for case in cases:
        deliver(post, case)


def wrong_after(post: Post, account: Account, cases: list[Case]) -> list[str]:
    """What is wrong with our rows, history by history."""
    found, wanted = found_in(OURS, post.database_url), wanted_of(truth(account))
    return [wrong for case in cases for wrong in judge(case, wanted, found).wrong]


@pytest.mark.parametrize("deliver", [one_by_one, together])
def test_no_history_leaves_a_wrong_row(post: Post, deliver: Deliver) -> None:
    account = Account(Random(1))
    cases = told(account)

    deliver_all(deliver, post, cases)

    assert wrong_after(post, account, cases) == []


def test_a_row_that_was_made_wrong_is_found(post: Post) -> None:
    account = Account(Random(1))
    case = told(account)[0]
    one_by_one(post, case)

    post.rows("UPDATE subscriptions SET status = 'unpaid'")

    assert wrong_after(post, account, [case]) == ["sub_case0000000001: status 'unpaid' instead of 'active'"]
