"""The longest event that Stripe can send passes through everything: it is applied, or becomes a dead letter that is shown byte for byte."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cogento.events.envelope import parse_envelope
from tests.support.builders import customer
from tests.support.largest import KEYS, Writing, largest_event

if TYPE_CHECKING:
    from tests.support.post import Post


def put(post: Post, body: bytes) -> None:
    post.put("customer.created", customer(), id_="evt_0")
    post.mailboxes.put([parse_envelope(body, now=int(time.time()))])
    post.drain()


@pytest.mark.parametrize("writing", Writing)
def test_t15_the_longest_event_is_applied(post: Post, writing: Writing) -> None:
    put(post, largest_event("evt_long", writing))
    assert post.ledger()["evt_long"] == "applied"
    ((row),) = post.rows("SELECT metadata FROM subscriptions")
    assert row["metadata"].count('": "') == KEYS


def test_t15_the_longest_event_that_cannot_be_read_is_a_dead_letter_byte_for_byte(post: Post) -> None:
    body = largest_event("evt_long", Writing.ESCAPED_PAIRS).replace(b'"status": "active"', b'"status": 4711')
    put(post, body)
    ((letter),) = post.rows("SELECT event_id, reason, raw_body FROM dead_letters")
    assert (letter["event_id"], letter["reason"]) == ("evt_long", "malformed")
    assert letter["raw_body"] == body
