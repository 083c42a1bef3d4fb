"""What must never be found in an audited database: one query a rule, each naming the ids that break it.

The queries read the records of audit.sql's triggers and the tables themselves; they are fast with a million rows.
"""

from __future__ import annotations

from cogento.events.versions import STAMP_JITTER

# Outcome by event; a letter that the ledger forgot counts as well.
LEDGER = """
SELECT event_id, 'dead' FROM dead_letters
UNION ALL
SELECT event_id, outcome FROM webhook_events
"""

SOURCES = "SELECT source, count(*) FROM webhook_events GROUP BY source ORDER BY source"

UNSURE = """
SELECT stripe_customer_id, last_webhook_event_id FROM users WHERE unsure
UNION ALL
SELECT stripe_subscription_id, last_webhook_event_id FROM subscriptions WHERE unsure
"""

# Stripe cancels the subscriptions of a deleted customer: a row that shows no end must be unsure, whatever its events say.
OUTLIVING = """
SELECT s.stripe_subscription_id
FROM subscriptions AS s
INNER JOIN users AS u USING (user_id)
WHERE u.deleted_at IS NOT NULL AND s.status NOT IN ('canceled', 'incomplete_expired')
"""

SURE_OF_LIFE_AFTER_DELETION = f"{OUTLIVING} AND NOT s.unsure"

# Without placeholder addresses, which are made of ids.
PERSONS = "SELECT DISTINCT known_by FROM audit.persons WHERE known_by NOT LIKE '%@placeholder.invalid'"

ALREADY_DEAD = "dead"

# They may bring back lost events before anything is judged, and decide what the events should decide.
HELP_FROM_STRIPE = """
SELECT event_id
FROM webhook_events
WHERE source IN ('sweep', 'fetch', 'verify') AND source <> ALL(%(sources_allowed)s)
"""

DEAD = """
SELECT event_id
FROM (
    SELECT event_id FROM webhook_events WHERE outcome = 'dead'
    UNION
    SELECT event_id FROM dead_letters WHERE status IN ('open', 'retrying')
) AS dead
WHERE event_id <> ALL(%(dead_allowed)s)
"""

TWO_IN_ONE_CUSTOMER = """
SELECT DISTINCT customer_id
FROM (
    SELECT
        customer_id,
        wrote_at,
        max(ended_at) OVER (
            PARTITION BY customer_id ORDER BY wrote_at, xid ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS other_ended_at
    FROM (SELECT DISTINCT customer_id, xid FROM audit.changes) AS writes
    INNER JOIN audit.transactions USING (xid)
) AS turns
WHERE wrote_at < other_ended_at
"""

DECIDED_WITHOUT_A_LOCK = "SELECT DISTINCT object_id FROM audit.changes WHERE NOT was_locked"

# Events within the window may follow each other whatever their stamps. A creation comes first even if it is stamped late, an end
# comes last even if it is stamped early, and an answer of Stripe may be out of date: other events are not compared with these.
WENT_BACK = f"""
SELECT DISTINCT object_id
FROM (
    SELECT
        c.object_id,
        c.created,
        max(c.created) FILTER (WHERE kind.event_type IS NULL) OVER (
            PARTITION BY c.object_id, c.has_ended ORDER BY c.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS newest_before
    FROM audit.changes AS c
    LEFT JOIN (
        SELECT DISTINCT event_id, event_type
        FROM audit.entries
        WHERE event_type LIKE '%%.created' OR event_type LIKE '%%.fetched'
    ) AS kind USING (event_id)
) AS shown
WHERE created < newest_before - {STAMP_JITTER}
"""

LIVED_AGAIN = """
SELECT DISTINCT object_id
FROM (
    SELECT object_id, has_ended, lag(has_ended) OVER (PARTITION BY object_id ORDER BY n) AS had_ended
    FROM audit.changes
) AS lives
WHERE had_ended AND NOT has_ended
"""

COUNTED_TWICE = """
SELECT event_id FROM audit.entries WHERE outcome_before IS NULL GROUP BY event_id HAVING count(*) > 1
UNION
SELECT event_id FROM webhook_events GROUP BY event_id HAVING count(*) > 1
"""

JUDGED_AGAIN = f"SELECT DISTINCT event_id FROM audit.entries WHERE outcome_before <> '{ALREADY_DEAD}'"

EFFECT_WITHOUT_ENTRY = """
SELECT DISTINCT object_id
FROM audit.changes AS c
WHERE
    event_id IS DISTINCT FROM event_before
    AND NOT EXISTS (SELECT FROM audit.entries AS e WHERE e.xid = c.xid AND e.object_id = c.object_id)
"""

ENTRY_WITHOUT_EFFECT = """
SELECT DISTINCT event_id
FROM audit.entries AS e
WHERE
    outcome = 'applied'
    AND NOT EXISTS (SELECT FROM audit.changes AS c WHERE c.xid = e.xid AND c.object_id = e.object_id)
"""

DEAD_WITHOUT_LETTER = """
SELECT event_id
FROM webhook_events AS e
WHERE outcome = 'dead' AND NOT EXISTS (SELECT FROM dead_letters AS d WHERE d.event_id = e.event_id)
"""

OPEN_LETTER_OF_THE_LIVING = """
SELECT e.event_id
FROM webhook_events AS e
INNER JOIN dead_letters AS d USING (event_id)
WHERE e.outcome <> 'dead' AND d.status IN ('open', 'retrying')
"""

TRIED_TOO_OFTEN = """
SELECT event_id FROM webhook_events WHERE attempts > %(attempts_allowed)s
UNION
SELECT event_id FROM dead_letters WHERE attempts > %(attempts_allowed)s
"""

# An answer of Stripe may decide what the events do not.
RASHLY_SURE = """
SELECT shown.object_id
FROM (
    SELECT stripe_customer_id AS object_id, unsure FROM users
    UNION ALL
    SELECT stripe_subscription_id, unsure FROM subscriptions
) AS shown
WHERE
    object_id = ANY(%(contested)s)
    AND NOT unsure
    AND NOT EXISTS (
        SELECT FROM webhook_events AS e WHERE e.object_id = shown.object_id AND e.source IN ('fetch', 'verify')
    )
"""

RULES = {
    "I1: brought by asking Stripe": HELP_FROM_STRIPE,
    "I1: dead letters": DEAD,
    "I1: dead without a letter": DEAD_WITHOUT_LETTER,
    "I1: applied, but with an open letter": OPEN_LETTER_OF_THE_LIVING,
    "I2: two transactions in one customer at once": TWO_IN_ONE_CUSTOMER,
    "I2: written without having been locked before": DECIDED_WITHOUT_A_LOCK,
    "I2: went back to an older event": WENT_BACK,
    "I2: lived again after its end": LIVED_AGAIN,
    "I3: sure of what its events do not decide": RASHLY_SURE,
    "I3: sure that it goes on, though its customer is deleted": SURE_OF_LIFE_AFTER_DELETION,
    "I4: counted more than once": COUNTED_TWICE,
    "I4: got another outcome after a final one": JUDGED_AGAIN,
    "I4: changed without an entry in the ledger": EFFECT_WITHOUT_ENTRY,
    "I4: applied in the ledger, but nothing was written": ENTRY_WITHOUT_EFFECT,
    "I9: tried more often than allowed": TRIED_TOO_OFTEN,
}
