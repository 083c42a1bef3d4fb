"""The page for analysts: its questions use the indexes that it names, and dbt's sources match the tables."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from bench.reporting import PAGE, Question, fill, plan_of, questions
from tools import dbt_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.databases import Administration

CUSTOMERS = 20_000
QUESTIONS = questions()
_ROW = re.compile(r"^\| (\d+) \| .* \| ([^|]*) \|$", re.MULTILINE)
READ_BY = {
    int(number): re.findall(r"`(idx_\w+|\w+_pkey)`", read_by)
    for number, read_by in _ROW.findall(PAGE.read_text())
}


@pytest.fixture(scope="module")
def large(administration: Administration, migrated_template: str) -> Iterator[psycopg.Connection]:
    """Tables of 20,000 customers who have lived for five years."""
    yield from administration.lend_filled(partial(fill, customers=CUSTOMERS), template=migrated_template)


def test_there_are_fifteen_questions_and_the_page_says_of_each_how_it_is_read() -> None:
    assert [one.number for one in QUESTIONS] == sorted(READ_BY) == [*range(1, 16)]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: str(one.number))
def test_a_question_uses_the_indexes_that_the_page_names(
    large: psycopg.Connection, question: Question
) -> None:
    plan = plan_of(large, question, analyze=False)

    assert [index for index in READ_BY[question.number] if index not in plan] == []


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: str(one.number))
def test_a_question_has_an_answer_in_a_large_account(large: psycopg.Connection, question: Question) -> None:
    large.execute("UPDATE subscriptions SET unsure = TRUE WHERE stripe_subscription_id = 'sub_7_0'")

    assert large.execute(question.statement.encode()).fetchall() != []


def test_dbt_reads_the_tables_and_views_that_there_are(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert dbt_sources.PATH.read_text() == dbt_sources.sources(connection), (
            "`python -m tools.dbt_sources DATABASE_URL` writes it again"
        )
