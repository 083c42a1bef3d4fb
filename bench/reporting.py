"""How long the questions of docs/reporting.md take with the tables of a large account, and by which plans.

    .venv/bin/python -m bench.reporting
    .venv/bin/python -m bench.reporting --customers 1000000
    .venv/bin/python -m bench.reporting --save

Customers have lived for five years: a quarter of them has left, some are in trial, behind with paying or paused, a tenth has a second
subscription, and a fifth of the subscriptions several items. Half of them are members.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.ground import ground

PAGE = Path(__file__).parent.parent / "docs" / "reporting.md"
PLANS = PAGE.parent / "benchmarks" / "reporting-plans.md"
REPEATS = 5
CUSTOMERS = 200_000

FILL = """
INSERT INTO users (email, stripe_customer_id, name, stripe_email, claimed_email, stripe_created_at, stripe_updated_at, metadata)
SELECT
    person.email,
    'cus_' || n,
    'User ' || n,
    person.email,
    person.email,
    now() - n * INTERVAL '5 years' / %(customers)s,
    now() - n * INTERVAL '5 years' / %(customers)s,
    jsonb_build_object(
        'membership_type', (ARRAY['Adult', 'Junior', 'Senior', 'Family', 'Student', 'Patron'])[n %% 6 + 1], 'number', n::TEXT
    ) || CASE WHEN n %% 500 = 0 THEN '{"membership_type": "Honorary"}'::JSONB ELSE '{}' END
FROM generate_series(1, %(customers)s) AS n
CROSS JOIN LATERAL (SELECT CASE n WHEN 7 THEN 'ada' ELSE 'user' || n END || '@example.com' AS email) AS person;

INSERT INTO subscriptions (
    stripe_subscription_id, user_id, product_id, status, current_period_start, current_period_end, metadata,
    stripe_created_at, stripe_updated_at, items, cancel_at_period_end, cancel_at, canceled_at, ended_at, trial_end, start_date,
    collection_method, pause_collection
)
SELECT
    'sub_' || life.n || '_' || life.copy,
    u.user_id,
    'prod_' || life.dice %% 40,
    life.status,
    life.period_start,
    life.period_start + INTERVAL '30 days',
    '{"subscription_type": "Basic"}',
    u.stripe_created_at,
    now(),
    (
        SELECT jsonb_agg(jsonb_build_object(
            'id', 'si_' || life.n || '_' || life.copy || '_' || place,
            'created', extract(EPOCH FROM u.stripe_created_at)::BIGINT,
            'price', 'price_' || (life.dice + place) %% 80,
            'product', 'prod_' || (life.dice + place - 1) %% 40,
            'quantity', 1 + life.dice %% 3,
            'unit_amount', 500 + 100 * ((life.dice + place) %% 60),
            'currency', CASE life.dice %% 3 WHEN 0 THEN 'usd' ELSE 'eur' END,
            'interval', CASE life.dice %% 4 WHEN 0 THEN 'year' ELSE 'month' END,
            'interval_count', 1
        ) ORDER BY place)
        FROM generate_series(1, CASE WHEN life.dice %% 5 = 0 THEN 2 + life.dice %% 2 ELSE 1 END) AS place
    ),
    life.leaves,
    CASE WHEN life.leaves THEN life.period_start + INTERVAL '30 days' END,
    CASE WHEN life.leaves THEN now() WHEN life.status = 'canceled' THEN life.ended_at END,
    CASE WHEN life.status = 'canceled' THEN life.ended_at END,
    CASE WHEN life.dice %% 5 = 0 THEN u.stripe_created_at + INTERVAL '14 days' END,
    u.stripe_created_at,
    CASE WHEN life.dice %% 20 = 0 THEN 'send_invoice' ELSE 'charge_automatically' END,
    CASE WHEN life.dice %% 200 = 7 THEN '{"behavior": "void", "resumes_at": null}'::JSONB END
FROM (
    SELECT
        n,
        copy,
        hashint4(n * 2 + copy) & 1048575 AS dice,
        CASE
            WHEN hashint4(n + copy) & 1023 < 256 THEN 'canceled'
            WHEN hashint4(n + copy) & 1023 < 270 THEN 'past_due'
            WHEN n %% 100 = 0 THEN 'incomplete_expired'
            WHEN n < %(customers)s / 130 THEN 'trialing'
            ELSE 'active'
        END AS status,
        hashint4(n) & 63 = 5 AS leaves,
        now() - (n %% 30) * INTERVAL '1 day' AS period_start,
        now() - n * INTERVAL '5 years' / %(customers)s * ((hashint4(n + 77) & 1023) / 1024.0) AS ended_at
    FROM generate_series(1, %(customers)s) AS n
    CROSS JOIN generate_series(0, 1) AS copy
    WHERE copy = 0 OR n %% 10 = 0
) AS life
INNER JOIN users AS u ON u.stripe_customer_id = 'cus_' || life.n;

INSERT INTO user_roles (user_id, role, granted_by)
SELECT user_id, 'member', 'subscription' FROM users WHERE hashtext(stripe_customer_id) & 1 = 0
"""
SETTLED = ("VACUUM ANALYZE users", "VACUUM ANALYZE subscriptions", "VACUUM ANALYZE user_roles")

_SQL_BLOCK = re.compile(r"```sql\n(.*?)```", re.DOTALL)
_NUMBER = re.compile(r"^-- (\d+)\. (.*)")
_INDEX = re.compile(r"(?:using|on) (idx_\w+|\w+_pkey)")


@dataclass(frozen=True, slots=True)
class Question:
    """A numbered statement of the page."""

    number: int
    asks: str
    statement: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer: the median time in milliseconds, the number of rows, and the plan."""

    question: Question
    median_ms: float
    rows: int
    plan: str

    @property
    def read_by(self) -> str:
        """Name the indexes that found rows, and the tables that were read completely."""
        indexes = list(dict.fromkeys(_INDEX.findall(self.plan)))
        tables = list(dict.fromkeys(re.findall(r"Seq Scan on (\w+)", self.plan)))
        return ", ".join([*(f"`{index}`" for index in indexes), *(f"all of `{table}`" for table in tables)])


def questions() -> list[Question]:
    """Read the numbered statements of the page."""
    statements = (one.strip() for block in _SQL_BLOCK.findall(PAGE.read_text()) for one in block.split(";"))
    found = ((_NUMBER.match(statement), statement) for statement in statements)
    return [Question(int(match[1]), match[2], statement) for match, statement in found if match]


def fill(connection: psycopg.Connection, customers: int) -> None:
    """Fill the tables of a connection in autocommit, and update the planner's statistics."""
    for statement in FILL.split(";\n"):
        connection.execute(statement.encode(), {"customers": customers})
    for statement in SETTLED:
        connection.execute(statement.encode())


def plan_of(connection: psycopg.Connection, question: Question, *, analyze: bool) -> str:
    """Return a question's plan; with `analyze` it is run, and the plan has the counts."""
    options = "ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF, COSTS OFF" if analyze else "COSTS OFF"
    lines = connection.execute(f"EXPLAIN ({options}) {question.statement}".encode()).fetchall()
    return "\n".join(line for (line,) in lines)


def answer(connection: psycopg.Connection, question: Question) -> Answered:
    """Ask several times."""
    took = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        rows = len(connection.execute(question.statement.encode()).fetchall())
        took.append((time.perf_counter() - begun) * 1000)
    return Answered(question, statistics.median(took), rows, plan_of(connection, question, analyze=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--save", action="store_true", help=f"write the plans to {PLANS.name}")
    arguments = parser.parse_args()
    with ground() as servers, psycopg.connect(servers.postgres.url, autocommit=True) as connection:
        begun = time.perf_counter()
        fill(connection, arguments.customers)
        print(f"filled in {time.perf_counter() - begun:.0f} s")
        answers = [answer(connection, question) for question in questions()]
    print("| | question | ms | read by |\n| ---: | --- | ---: | --- |")
    for one in answers:
        shown = f"{one.median_ms:,.0f}" if one.median_ms >= 10 else f"{one.median_ms:.1f}"
        print(f"| {one.question.number} | {one.question.asks} | {shown} | {one.read_by} |")
    if arguments.save:
        PLANS.write_text(plans_page(answers), encoding="utf-8")
    print(json.dumps({str(one.question.number): round(one.median_ms, 2) for one in answers}))


def plans_page(answers: list[Answered]) -> str:
    """Write every plan, a section each."""
    parts = [
        "# How the questions of the reporting page are read",
        "Made by `python -m bench.reporting --save`, over 200,000 customers. The questions are [there](../reporting.md#fifteen-questions).",
    ]
    for one in answers:
        parts += [f"## {one.question.number}. {one.question.asks}", f"```\n{one.plan}\n```"]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
