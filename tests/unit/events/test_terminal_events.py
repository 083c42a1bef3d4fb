from __future__ import annotations

from typing import Any

import pytest

from cogento.events.projection import is_terminal_event


@pytest.mark.parametrize(
    ("type_", "obj"),
    [
        ("customer.deleted", {}),
        ("customer.subscription.deleted", {"status": ["odd"]}),
        ("customer.subscription.updated", {"status": "canceled"}),
        ("customer.subscription.fetched", {"status": "incomplete_expired"}),
        ("customer.fetched", {"deleted": True}),
    ],
)
def test_an_end_is_a_removal_whatever_type_tells_of_it(type_: str, obj: dict[str, Any]) -> None:
    assert is_terminal_event(type_, obj)


@pytest.mark.parametrize(
    ("type_", "obj"),
    [
        ("customer.updated", {}),
        ("customer.updated", {"status": "canceled"}),
        ("customer.subscription.updated", {"status": "unpaid"}),
        ("customer.subscription.updated", {"status": ["canceled"]}),
        ("customer.fetched", {"deleted": False}),
        ("", {}),
    ],
)
def test_what_goes_on_or_tells_nothing_is_none(type_: str, obj: dict[str, Any]) -> None:
    assert not is_terminal_event(type_, obj)
