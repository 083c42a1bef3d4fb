"""The search for secrets and persons finds them in every spelling, and nothing where there are none."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.support.canaries import leaks, passwords


def found(text: str, *, secrets: tuple[str, ...] = (), persons: tuple[str, ...] = ()) -> list[str]:
    return list(leaks(text.encode(), secrets=secrets, persons=persons))


@pytest.mark.parametrize("spell", [str, json.dumps, ascii, quote, repr])
@pytest.mark.parametrize("known_by", ["ada@example.com", "Björn O'Neil", "+15550001234", "Eve"])
def test_a_person_is_found_however_a_log_spells_it(known_by: str, spell: object) -> None:
    assert callable(spell)
    assert found(f"took {spell(known_by)} along", persons=(known_by,)) == [known_by]


@pytest.mark.parametrize(
    "text", ["Everything", "the Ross of Bob", "Bob\tRoss", "bob ross", "Bob Rosshaupt", ""]
)
def test_who_only_seems_to_be_there_is_not_found(text: str) -> None:
    assert found(text, persons=("Eve", "Bob Ross")) == []


@pytest.mark.parametrize("address", ["other@example.com", "user1@example.com.invalid1"])
def test_an_address_that_another_one_ends_or_begins_like_is_another(address: str) -> None:
    assert found("another@example.com user1@example.com_", persons=(address,)) == []


def test_a_secret_is_found_inside_of_words() -> None:
    assert found("xwhsec_1x", secrets=("whsec_1", "whsec_2")) == ["whsec_1"]


def test_passwords_are_those_of_the_urls_that_have_one() -> None:
    urls = ("postgresql://me:p%40ss@127.0.0.1/cogento", "redis://:word@127.0.0.1", "redis://127.0.0.1")

    assert passwords(*urls) == {"p@ss", "word"}
