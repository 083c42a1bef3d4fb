"""Which events are ours, in whatever way they come in."""

from __future__ import annotations

from typing import Any

import pytest

from cogento.events.envelope import parse_envelope
from cogento.events.fence import Fence, Fenced
from tests.support.builders import NOW, body, customer, event, thin_event

TEST, ONE = Fence(livemode=False, account=None), Fence(livemode=False, account="acct_ONE")
LIVE = Fence(livemode=True, account=None)
OTHER_MODE, OTHER_ACCOUNT, NO_ACCOUNT = Fenced


def snapshot(**fields: Any) -> bytes:
    return body(event("customer.created", customer(), **fields))


def thin(**fields: Any) -> bytes:
    return body(thin_event("v1.customer.created", **fields))


@pytest.mark.parametrize("told", [snapshot, thin])
@pytest.mark.parametrize(
    ("fence", "named", "reason"),
    [
        (TEST, {}, None),
        (TEST, {"context": "acct_ONE"}, OTHER_ACCOUNT),
        (TEST, {"context": "acct_TWO"}, OTHER_ACCOUNT),
        (TEST, {"context": "acct_platform/acct_ONE"}, OTHER_ACCOUNT),
        (TEST, {"context": "org_1"}, OTHER_ACCOUNT),
        (ONE, {"context": "acct_ONE"}, None),
        (ONE, {"context": "acct_platform/acct_ONE"}, None),
        (ONE, {"context": "acct_ONE/acct_recipient"}, OTHER_ACCOUNT),
        (ONE, {"context": "acct_TWO"}, OTHER_ACCOUNT),
        (ONE, {"context": "acct_ONE2"}, OTHER_ACCOUNT),
        (ONE, {}, NO_ACCOUNT),
        (LIVE, {}, OTHER_MODE),
        (LIVE, {"livemode": True}, None),
        (TEST, {"livemode": None}, OTHER_MODE),
    ],
)
def test_t6_one_rule_decides_about_snapshot_and_thin_events(
    told: Any, fence: Fence, named: dict[str, Any], reason: Fenced | None
) -> None:
    assert fence.why_not(parse_envelope(told(**named), now=NOW)) is reason


@pytest.mark.parametrize(
    ("fence", "named", "reason"),
    [
        (TEST, {"account": "acct_ONE"}, OTHER_ACCOUNT),
        (ONE, {"account": "acct_ONE"}, None),
        (ONE, {"account": "acct_ONE", "context": "acct_platform/acct_ONE"}, None),
        (ONE, {"account": "acct_TWO", "context": "acct_ONE"}, OTHER_ACCOUNT),
    ],
)
def test_t6_the_account_that_a_snapshot_names_counts_before_its_context(
    fence: Fence, named: dict[str, Any], reason: Fenced | None
) -> None:
    assert fence.why_not(parse_envelope(snapshot(**named), now=NOW)) is reason


@pytest.mark.parametrize(
    ("fence", "named", "reason"),
    [
        (TEST, {}, None),
        (ONE, {}, None),
        (ONE, {"account": "acct_ONE"}, None),
        (ONE, {"context": "acct_ONE"}, None),
        (ONE, {"account": "acct_TWO"}, OTHER_ACCOUNT),
        (TEST, {"account": "acct_TWO"}, OTHER_ACCOUNT),
        (TEST, {"context": "acct_TWO"}, OTHER_ACCOUNT),
        (TEST, {"livemode": None}, None),
        (TEST, {"livemode": True}, OTHER_MODE),
        (LIVE, {"livemode": False}, OTHER_MODE),
    ],
)
def test_t6_what_was_asked_for_is_of_the_account_and_mode_that_was_asked_unless_it_names_another(
    fence: Fence, named: dict[str, Any], reason: Fenced | None
) -> None:
    assert fence.why_not_asked(parse_envelope(snapshot(**named), now=NOW)) is reason
