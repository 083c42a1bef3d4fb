"""The data with which the console is measured: 35 days of ledger, dead letters, bulk operations over them, and waiting customers.

Letters are as after some time of use: most have long been closed or open, and some have died again since the last vacuum.
Customers wait in every state.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from cogento.events.envelope import parse_envelope
from cogento.events.names import CustomerId, EventId
from cogento.queue.claims import FailedAttempt, Settlement
from cogento.queue.durability import AckDurability
from cogento.store.connecting import connect_plainly
from tests.support import builders
from tests.support.looped import LoopedMailboxes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PUT_TOGETHER = 200
CLAIMED_TOGETHER = 500
LEDGER_DAYS = 37
NOTE = "filled.json"
DAY_MS = 86_400_000

# One of every ten customers each; the rest wait for a worker.
RETRYING, WAITING_FOR_CUSTOMER, PAUSED = 1, 2, 3

FILL = """
INSERT INTO users (email, stripe_customer_id, name, stripe_created_at, stripe_updated_at, last_webhook_event_id,
    stripe_email, claimed_email)
SELECT
    'user' || n || '@example.com', 'cus_' || n, 'User ' || n, now() - INTERVAL '1 year', now() - INTERVAL '40 days',
    'evt_old_' || n, 'user' || n || '@example.com', 'user' || n || '@example.com'
FROM generate_series(1, {customers}) AS n;

INSERT INTO subscriptions (stripe_subscription_id, user_id, product_id, status, stripe_updated_at, last_webhook_event_id)
SELECT 'sub_' || substr(stripe_customer_id, 5), user_id, 'prod_1', 'active', now(), last_webhook_event_id
FROM users;

INSERT INTO webhook_events (event_id, event_created_at, event_type, customer_id, object_id, received_at, settled_at,
    outcome, source)
SELECT
    'evt_' || n,
    now() - n * INTERVAL '35 days' / {events},
    CASE n % 3 WHEN 0 THEN 'customer.updated' ELSE 'customer.subscription.updated' END,
    'cus_' || CASE WHEN n % 50 = 0 THEN 1 ELSE n % {customers} + 1 END,
    CASE n % 3 WHEN 0 THEN 'cus_' ELSE 'sub_' END || CASE WHEN n % 50 = 0 THEN 1 ELSE n % {customers} + 1 END,
    now() - n * INTERVAL '35 days' / {events},
    now() - n * INTERVAL '35 days' / {events},
    (ARRAY['applied', 'applied', 'unchanged', 'stale', 'superseded'])[n % 5 + 1],
    'webhook'
FROM generate_series(1, {events}) AS n;

INSERT INTO dead_letters (event_id, event_type, customer_id, object_id, event_created_at, received_at, died_at, attempts,
    reason, failure_class, failure_code, message, fingerprint, source, raw_body, raw_sha256, status, resolution,
    resolved_by, resolved_at, removal, replays)
SELECT
    'evt_dead_' || n, 'customer.updated', 'cus_' || n % {customers} + 1, 'cus_' || n % {customers} + 1,
    now() - ({letters} - n) * INTERVAL '30 days' / {letters}, now(), now() - ({letters} - n) * INTERVAL '30 days' / {letters}, 5,
    CASE n % 3 WHEN 0 THEN 'bug' ELSE 'impossible_value' END, 'permanent', '23514', 'PostgreSQL rejected a value.',
    md5((CASE WHEN n % 2 = 0 THEN 0 ELSE n % 40 END)::TEXT), 'webhook',
    convert_to(
        '{{"id": "evt_dead_' || n || '", "object": "event", "type": "customer.updated", "livemode": false, "created": ' ||
        extract(EPOCH FROM now())::BIGINT - 1 || ', "data": {{"object": {{"id": "cus_' || n % {customers} + 1 ||
        '", "object": "customer", ' || (
            SELECT string_agg('"a field of the object, as Stripe has it ' || k || '": {{"value": "' || md5(n::TEXT || k) ||
                '", "livemode": false, "object": "of a kind"}}', ', ')
            FROM generate_series(1, 36) AS k
        ) || '}}}}}}',
        'UTF8'
    ),
    sha256(n::TEXT::BYTEA), (ARRAY['open', 'open', 'open', 'resolved', 'discarded'])[n % 5 + 1],
    CASE n % 5 WHEN 3 THEN 'applied' WHEN 4 THEN 'test data' END, CASE WHEN n % 5 > 2 THEN 'retry' END,
    CASE WHEN n % 5 > 2 THEN now() END, n % 100 = 0, 1
FROM generate_series(1, {letters}) AS n;

INSERT INTO operations (kind, filter, newest_letter, total, state, who, why, runner, finished_at)
SELECT 'retry', '{{}}', {letters}, {letters}, 'done', 'ops-1', 'INC-7', 'x', now() FROM generate_series(1, 500);

INSERT INTO dead_letter_actions (letter_id, action, who, why, operation_id)
SELECT id, 'retry', 'ops-1', 'INC-7', {all_letters} FROM dead_letters;

INSERT INTO dead_letter_actions (letter_id, action, who, why)
SELECT id, 'discard', 'ops-' || id % 7, 'test data' FROM dead_letters WHERE status = 'discarded';

INSERT INTO activity (who, action, about, why)
SELECT 'ops-' || n % 7, 'pause', 'cus_' || n, 'INC-' || n FROM generate_series(1, {letters}) AS n;

INSERT INTO activity (who, action, about, why) VALUES ('ops-rare', 'forget', 'cus_77', 'request 4711')
"""
CHURN = "UPDATE dead_letters SET died_at = died_at + INTERVAL '1 second' WHERE id % 100 = 7"
ALL_LETTERS = 7
"""The operation that included all letters."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is."""

    events: int
    letters: int
    customers: int
    waiting: int


def scaled(share: float) -> Sizes:
    """Return a share of the full sizes."""
    return Sizes(*(int(size * share) for size in (1_000_000, 100_000, 100_000, 100_000)))


def is_filled(folder: Path, sizes: Sizes) -> bool:
    """Say whether a folder's servers were filled so before; fails where they were filled otherwise, or not to the end."""
    if not folder.exists():
        return False
    note = folder / NOTE
    if not note.exists() or json.loads(note.read_text()) != asdict(sizes):
        raise SystemExit(f"{folder} was filled otherwise, or not to the end: remove it.")
    return True


def note_filled(folder: Path, sizes: Sizes) -> None:
    """Remember what a folder's servers were filled with."""
    (folder / NOTE).write_text(json.dumps(asdict(sizes)))


async def fill(database_url: str, sizes: Sizes) -> None:
    """Fill the tables, the ledger's days first."""
    connection = await connect_plainly(database_url, application_name="bench")
    days = await connection.fetch(
        f"SELECT (now() - n * INTERVAL '1 day')::DATE FROM generate_series(0, {LEDGER_DAYS - 1}) AS n"
    )
    for (day,) in days:
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS webhook_events_{day:%Y%m%d} PARTITION OF webhook_events FOR VALUES "
            f"FROM ('{day} 00:00+00') TO ('{day + dt.timedelta(1)} 00:00+00')"
        )
    terms = {name: size for name, size in asdict(sizes).items() if name != "waiting"}
    for statement in FILL.format(**terms, all_letters=ALL_LETTERS).split(";\n\n"):
        await connection.execute(statement)
    await connection.execute("VACUUM ANALYZE")
    await connection.execute(CHURN)
    await connection.close()


def put(redis_url: str, waiting: int) -> None:
    """Put one event for each of `waiting` customers; of ten customers one is retrying, one waits for its own event, one is paused."""
    mailboxes = LoopedMailboxes.connect(redis_url, ack=AckDurability.REDIS, name="bench:1")
    tried = [number for number in range(waiting) if number % 10 in {RETRYING, WAITING_FOR_CUSTOMER}]
    _put(mailboxes, tried)
    later_ms = mailboxes.now_ms() + DAY_MS
    bounds = {"max_customers": CLAIMED_TOGETHER, "max_events": CLAIMED_TOGETHER, "lease_seconds": 600}
    while claim := mailboxes.claim(**bounds):
        mailboxes.settle(claim, [_settlement(batch.customer_id, later_ms) for batch in claim.batches])
    _put(
        mailboxes,
        [number for number in range(waiting) if number % 10 not in {RETRYING, WAITING_FOR_CUSTOMER}],
    )
    for number in range(PAUSED, waiting, 10):
        mailboxes.pause(CustomerId(f"cus_{number}"), who="ops-1", why="INC-7")
    mailboxes.close()


def _put(mailboxes: LoopedMailboxes, numbers: Sequence[int]) -> None:
    now = mailboxes.now_ms() // 1000
    for first in range(0, len(numbers), PUT_TOGETHER):
        bodies = [
            builders.event_body("customer.updated", builders.customer(f"cus_{number}"), id_=f"evt_w_{number}")
            for number in numbers[first : first + PUT_TOGETHER]
        ]
        mailboxes.put([parse_envelope(body, now=now) for body in bodies])


def _settlement(customer_id: CustomerId, later_ms: int) -> Settlement:
    """Have one wait for its next attempt, or for the customer's own event."""
    event_id = EventId(f"evt_w_{customer_id.removeprefix('cus_')}")
    if int(customer_id.removeprefix("cus_")) % 10 == WAITING_FOR_CUSTOMER:
        return Settlement(customer_id, parked=(event_id,))
    failed = FailedAttempt(event_id, 3, later_ms - DAY_MS, "transient", "57014")
    return Settlement(customer_id, failed=(failed,), postponed_until_ms=later_ms)
