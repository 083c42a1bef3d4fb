"""The order on payloads that others recorded from Stripe."""

from __future__ import annotations

import json

import pytest

from cogento.events.event import read_event
from cogento.ordering.order import Version
from tests.support.builders import body
from tests.support.model.deliveries import Row, rows_of_every_order
from tests.support.stripe_files import FOLDER, posted

CHIRPY = ("chirpyhire__customer.subscription.created.json", "chirpyhire__customer.subscription.updated.json")
ENGINE = ("sync-engine__customer_updated.json", "sync-engine__customer_deleted.json")
ZULIP = (
    "zulip__customer_subscription_created_with_collection_method.json",
    "zulip__customer_subscription_deleted_with_collection_method.json",
)


def recorded(name: str) -> Version:
    return read_event(posted(name)).version


def own_id(name: str, event_id: str) -> Version:
    """Give an event an id of its own: template files share placeholder ids."""
    return read_event(body({**json.loads((FOLDER / name).read_text()), "id": event_id})).version


def only_row(*versions: Version) -> Row:
    (row,) = rows_of_every_order(versions)
    return row


@pytest.mark.parametrize(("earlier", "later"), [ENGINE, ZULIP])
def test_the_deletion_is_last_in_every_order(earlier: str, later: str) -> None:
    row = only_row(own_id(earlier, "evt_2"), own_id(later, "evt_1"))

    assert (row.last_event_id, row.sure) == ("evt_1", True)


def test_template_files_with_one_placeholder_second_end_updated() -> None:
    created, updated = (own_id(name, f"evt_{2 - n}") for n, name in enumerate(CHIRPY))

    assert created.created == updated.created
    assert only_row(created, updated).last_event_id == "evt_1"


@pytest.mark.parametrize(
    "name",
    [
        "payfuzz__customer.subscription.updated.json",
        "sync-engine__customer_updated.json",
        "sync-engine__subscription_updated.json",
    ],
)
def test_a_recorded_update_leads_from_another_state(name: str) -> None:
    version = recorded(name)

    assert version.before is not None
    assert version.before != version.state


def test_a_template_that_changes_the_plan_and_not_its_mirror_in_the_items_says_nothing() -> None:
    version = recorded(CHIRPY[1])

    assert version.before == version.state


def test_an_update_of_settings_that_the_object_lacks_leads_from_another_state() -> None:
    version = recorded("pay__customer.updated.json")

    assert version.before not in (None, version.state)


def test_recorded_creations_and_deletions_carry_no_state_before() -> None:
    assert [recorded(name).before for name in (CHIRPY[0], ENGINE[1], *ZULIP)] == [None] * 4
