"""An e-mail address belongs to the oldest live customer that has it in Stripe; nobody else shows it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogento.events.addresses import (
    EmailClaim,
    assign_addresses,
    canonical_address,
    claimed_address,
    placeholder,
)
from cogento.events.names import CustomerId

if TYPE_CHECKING:
    from random import Random

ADA = "ada@example.com"
BOB = "bob@example.com"


def claim(id_: str, email: str | None = ADA, created: int | None = 1, **fields: Any) -> EmailClaim:
    return EmailClaim(CustomerId(id_), email, created, **{"deleted": False, **fields})


claims = st.lists(
    st.builds(
        EmailClaim,
        customer_id=st.integers(0, 20).map(lambda n: CustomerId(f"cus_{n}")),
        stripe_email=st.sampled_from([None, "", ADA, BOB, "Ada@example.com", "cus_1@placeholder.invalid"]),
        stripe_created_at=st.none() | st.integers(0, 3),
        deleted=st.booleans(),
    ),
    unique_by=lambda claim: claim.customer_id,
)


def test_the_oldest_holds_a_shared_address_and_the_others_show_a_stand_in() -> None:
    assert assign_addresses(
        [claim("cus_a", created=3), claim("cus_b", created=1), claim("cus_c", created=2)]
    ) == {
        "cus_a": "cus_a@placeholder.invalid",
        "cus_b": ADA,
        "cus_c": "cus_c@placeholder.invalid",
    }


def test_among_customers_of_one_second_the_smallest_id_holds_it() -> None:
    assert assign_addresses([claim("cus_b"), claim("cus_B"), claim("cus_a")])[CustomerId("cus_B")] == ADA


@pytest.mark.parametrize("email", [None, ""])
def test_a_customer_without_address_shows_a_stand_in(email: str | None) -> None:
    assert assign_addresses([claim("cus_a", email)]) == {"cus_a": "cus_a@placeholder.invalid"}


def test_a_deleted_customer_lets_go_of_its_address() -> None:
    assigned = assign_addresses([claim("cus_a", created=1, deleted=True), claim("cus_b", created=2)])

    assert assigned == {"cus_a": "cus_a@placeholder.invalid", "cus_b": ADA}


def test_two_customers_can_swap_addresses() -> None:
    assert assign_addresses([claim("cus_a", BOB), claim("cus_b", ADA)]) == {"cus_a": BOB, "cus_b": ADA}


def test_when_the_holder_moves_on_the_next_oldest_takes_over() -> None:
    assigned = assign_addresses([claim("cus_a", BOB, 1), claim("cus_b", ADA, 3), claim("cus_c", ADA, 2)])

    assert assigned == {"cus_a": BOB, "cus_b": "cus_b@placeholder.invalid", "cus_c": ADA}


def test_an_unknown_age_is_the_youngest() -> None:
    assigned = assign_addresses([claim("cus_a", created=None), claim("cus_b", created=9)])

    assert assigned == {"cus_a": "cus_a@placeholder.invalid", "cus_b": ADA}


def test_of_two_unknown_ages_the_smaller_id_is_the_older() -> None:
    assigned = assign_addresses([claim("cus_b", created=None), claim("cus_a", created=None)])

    assert assigned == {"cus_a": ADA, "cus_b": "cus_b@placeholder.invalid"}


def test_nobody_can_take_somebody_elses_stand_in() -> None:
    assigned = assign_addresses([claim("cus_a", "cus_b@Placeholder.Invalid", 1), claim("cus_b", None, 2)])

    assert assigned == {"cus_a": "cus_a@placeholder.invalid", "cus_b": "cus_b@placeholder.invalid"}


@given(claims)
def test_no_two_rows_show_the_same_address(claims_: list[EmailClaim]) -> None:
    shown = Counter(assign_addresses(claims_).values())

    assert all(count == 1 for count in shown.values())


@given(claims)
def test_every_claimed_address_is_held_by_the_oldest_of_its_live_claimants(claims_: list[EmailClaim]) -> None:
    live = [claim for claim in claims_ if claimed_address(claim) == ADA]
    oldest = sorted(live, key=lambda c: (c.stripe_created_at is None, c.stripe_created_at, c.customer_id))[:1]

    holders = [customer_id for customer_id, shown in assign_addresses(claims_).items() if shown == ADA]

    assert holders == [claim.customer_id for claim in oldest]


@given(claims)
def test_every_claimant_shows_its_own_address_or_its_own_stand_in(claims_: list[EmailClaim]) -> None:
    assigned = assign_addresses(claims_)

    assert all(assigned[c.customer_id] in {claimed_address(c), placeholder(c.customer_id)} for c in claims_)
    assert len(assigned) == len(claims_)


@given(claims, st.randoms(use_true_random=False))
def test_the_order_of_the_claims_does_not_matter(claims_: list[EmailClaim], random: Random) -> None:
    shuffled = random.sample(claims_, len(claims_))

    assert assign_addresses(shuffled) == assign_addresses(claims_)


@given(claims)
def test_claimants_of_other_addresses_do_not_matter(claims_: list[EmailClaim]) -> None:
    of_ada = [claim for claim in claims_ if claimed_address(claim) == ADA]

    assert assign_addresses(of_ada).items() <= assign_addresses(claims_).items()


SAME = [
    "Ada@Example.com",
    "ADA@EXAMPLE.COM",
    " ada@example.com",
    "ada@example.com\n",
    "\u00a0ada@example.com\u3000",
]


@pytest.mark.parametrize("written", SAME)
def test_t8_case_and_white_space_around_it_do_not_make_an_address_another_one(written: str) -> None:
    assert canonical_address(written) == ADA


@pytest.mark.parametrize(
    "written", ["é@example.com", "e\u0301@example.com", "É@example.com", "E\u0301@EXAMPLE.com"]
)
def test_t8_nor_does_its_normal_form(written: str) -> None:
    assert canonical_address(written) == "é@example.com"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("stra\u00dfe@example.com", "strasse@example.com", id="sharp s"),
        pytest.param("\u0130@example.com", "i@example.com", id="dotted capital i"),
        pytest.param("\u0131@example.com", "i@example.com", id="dotless i"),
        pytest.param("a b@example.com", "ab@example.com", id="white space inside"),
        pytest.param("a\u200bb@example.com", "ab@example.com", id="zero width"),
        pytest.param("\u200bab@example.com", "ab@example.com", id="zero width at the edge"),
        pytest.param("\uff41@example.com", "a@example.com", id="full width"),
        pytest.param("a@m\u00fcnchen.de", "a@xn--mnchen-3ya.de", id="international host"),
        pytest.param("a.b@example.com", "ab@example.com", id="dot"),
        pytest.param("a+b@example.com", "a@example.com", id="tag"),
        pytest.param("\u0430@example.com", "a@example.com", id="Cyrillic"),
    ],
)
def test_t8_what_may_be_another_persons_stays_another_address(one: str, other: str) -> None:
    assert canonical_address(one) != canonical_address(other)


@given(st.text(max_size=40))
def test_t8_the_canonical_form_of_a_canonical_form_is_itself(written: str) -> None:
    once = canonical_address(written)
    assert canonical_address(once) == once


@pytest.mark.parametrize("email", ["   ", "\n", "Cus_1@Placeholder.Invalid ", "\U0001d160" * 512])
def test_t8_white_space_stand_ins_and_what_no_index_holds_are_no_claims(email: str) -> None:
    assert claimed_address(claim("cus_a", email)) is None


def test_t8_of_several_ways_to_write_it_the_oldest_holds_the_address_in_its_canonical_form() -> None:
    assert assign_addresses(
        [claim("cus_a", "ada@example.com", 2), claim("cus_b", " Ada@Example.com", 1)]
    ) == {
        "cus_a": "cus_a@placeholder.invalid",
        "cus_b": ADA,
    }
