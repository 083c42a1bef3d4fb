"""What no events can decide (docs/ordering.md, "Doubt"), case by case: marked without a key, Stripe's truth with one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cogento.events.envelope import parse_envelope
from cogento.local.stripe.events import webhook_body
from tests.support.simulated_stripe import SimulatedStripe, compared, subscription
from tests.support.stripe_histories import START

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogento.local.stripe.events import AccountEvent
    from tests.support.looped import LoopedReconciliation
    from tests.support.post import Post

pytestmark = pytest.mark.usefixtures("impatient")

Bodies = list[bytes]
TIE = START + 30


def lived(stripe: SimulatedStripe, *names: str) -> Sequence[AccountEvent]:
    """A customer's creation and changes of its name, all but the first of one second."""
    first = stripe.account.begin(stripe.customer(name=names[0]), at=START)
    changes = [stripe.account.change(stripe.customer(name=name), at=TIE) for name in names[1:]]
    return [first, *(change for change in changes if change)]


def a_there_and_back_and_nothing_before(stripe: SimulatedStripe) -> Bodies:
    _, *told = lived(stripe, "Ada", "Bob", "Ada")
    return [webhook_body(event) for event in told]


def b_two_stories_of_one_second_that_nothing_links(stripe: SimulatedStripe) -> Bodies:
    _, first, _, last = lived(stripe, "Ada", "Bob", "Cid", "Dora")
    return [webhook_body(first), webhook_body(last)]


def c_a_sighting_that_nothing_places(stripe: SimulatedStripe) -> Bodies:
    _, edge, _ = lived(stripe, "Ada", "Bob", "Cid")
    sighting = stripe.account.announce("updated", stripe.customer(name="Cid"), at=TIE)
    return [webhook_body(edge), webhook_body(sighting)]


def d_renderings_whose_states_cannot_be_made_equal(stripe: SimulatedStripe) -> Bodies:
    """Two changes in a row; a version that counts balances another way tells of the second."""
    _, first, second = lived(stripe, "Ada", "Bob", "Cid")
    of_another_version = json.loads(webhook_body(second)) | {"api_version": "2031-01-01.unknown"}
    of_another_version["data"]["object"]["balance"] = 5
    return [webhook_body(first), json.dumps(of_another_version).encode()]


def e_more_items_than_an_event_carries(stripe: SimulatedStripe) -> Bodies:
    owner = stripe.account.begin(stripe.customer(name="Ada"), at=START)
    cut = json.loads(webhook_body(stripe.account.begin(subscription(), at=START)))
    cut["data"]["object"]["items"]["has_more"] = True
    return [webhook_body(owner), json.dumps(cut).encode()]


CASES = (
    a_there_and_back_and_nothing_before,
    b_two_stories_of_one_second_that_nothing_links,
    c_a_sighting_that_nothing_places,
    d_renderings_whose_states_cannot_be_made_equal,
    e_more_items_than_an_event_carries,
)
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)


def deliver(post: Post, told: Bodies) -> None:
    post.mailboxes.put([parse_envelope(body, now=TIE) for body in told])
    post.drain()


def unsure_rows(post: Post) -> int:
    query = "SELECT (SELECT count(*) FROM users WHERE unsure) + (SELECT count(*) FROM subscriptions WHERE unsure) AS n"
    (found,) = post.rows(query)
    return int(found["n"])


@each_case
def test_without_a_key_the_row_is_marked(
    case: Callable[[SimulatedStripe], Bodies], stripe: SimulatedStripe, post: Post
) -> None:
    deliver(post, case(stripe))

    assert unsure_rows(post) == 1


@each_case
def test_with_a_key_the_row_ends_in_stripes_truth(
    case: Callable[[SimulatedStripe], Bodies],
    stripe: SimulatedStripe,
    asking: LoopedReconciliation,
    post: Post,
) -> None:
    deliver(post, case(stripe))

    asking.ask()
    post.drain()

    assert unsure_rows(post) == 0
    assert compared(stripe, post).is_equal
