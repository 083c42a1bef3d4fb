"""Foreign text made safe for a terminal, and lengths of time in words."""

from __future__ import annotations

import pytest

from cogento.console.formatting import ago, duration, items_in_words, join_words, parse_age, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë 🦊", "Zoë 🦊"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("two\nlines\r", r"two\nlines\r"),
        ("\x9b2J", r"\x9b2J"),
        ("nul\x00", r"nul\x00"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("lone \ud800", r"lone \ud800"),
        ("\u2028", r"\u2028"),
        (None, "None"),
    ],
)
def test_terminal_controls_are_shown_and_not_obeyed(text: object, shown: str) -> None:
    assert printable(text) == shown


def test_long_text_is_cut() -> None:
    assert printable("x" * 1000, longest=10) == "xxxxxxxxx…"


def test_text_of_the_longest_length_is_whole() -> None:
    assert printable("x" * 10, longest=10) == "x" * 10


@pytest.mark.parametrize(
    ("words", "sentence"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_several_things_are_named_as_a_sentence_names_them(words: list[str], sentence: str) -> None:
    assert join_words(words) == sentence


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2w", 1_209_600), ("999999w", 3_155_760_000), ("1y", None)]
)
def test_an_age_is_read_in_seconds_and_is_a_century_at_most(text: str, seconds: int | None) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 ms"),
        (0.0304, "30 ms"),
        (1, "1 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (200_000, "2 d"),
    ],
)
def test_span_is_told_in_the_largest_unit_that_fits(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_less_than_a_second_ago_is_just_now() -> None:
    assert (ago(0.4), ago(5)) == ("just now", "5 s ago")


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], ""),
        ([{"price": "price_a", "quantity": 1}], "price_a"),
        (
            [{"price": "price_a", "quantity": 2}, {"price": "price_b", "quantity": None}],
            "2 x price_a, price_b",
        ),
    ],
)
def test_items_are_named_by_their_prices_and_how_many_where_it_is_not_one(
    items: list[dict[str, object]], said: str
) -> None:
    assert items_in_words(items) == said
