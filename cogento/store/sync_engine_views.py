"""Views named as the tables of the two sync engines, for queries that were written for those.

Both call them stripe.customers and stripe.subscriptions, with columns as Stripe names them and times in Unix seconds
(@supabase/stripe-sync-engine, migrations 0002 and 0004; @stripe/sync-engine keeps the names). Only columns that we keep are there: a query
for another one fails, where an empty column would answer wrongly.
"""

from __future__ import annotations

import sqlalchemy as sa

from cogento.store.errors import MigrationRefusedError

SCHEMA = "stripe"
_PURPOSE = "A view on {schema}.{table}, made by Cogento's Stripe sync."
_WHAT_IS_THERE = """
SELECT obj_description(oid, 'pg_class') AS comment
FROM pg_class
WHERE oid = to_regclass(format('stripe.%I', $1::TEXT))
"""
_COLUMNS = """
SELECT attname::TEXT FROM pg_attribute
WHERE attrelid = format('%I.%I', $1::TEXT, $2::TEXT)::REGCLASS AND attnum > 0 AND NOT attisdropped
"""
_SECONDS = "extract(EPOCH FROM t.{0})::INTEGER"
_ITEMS = """(
    SELECT jsonb_build_object(
        'object', 'list',
        'has_more', FALSE,
        'data', coalesce(jsonb_agg(jsonb_build_object(
            'id', item.value -> 'id',
            'object', 'subscription_item',
            'created', item.value -> 'created',
            'quantity', item.value -> 'quantity',
            'subscription', t.stripe_subscription_id,
            'price', jsonb_build_object(
                'id', item.value -> 'price',
                'object', 'price',
                'product', item.value -> 'product',
                'currency', item.value -> 'currency',
                'unit_amount', item.value -> 'unit_amount',
                'recurring', jsonb_build_object(
                    'interval', item.value -> 'interval', 'interval_count', item.value -> 'interval_count'
                )
            )
        ) ORDER BY item.place), '[]')
    )
    FROM jsonb_array_elements(t.items) WITH ORDINALITY AS item (value, place)
    HAVING t.items IS NOT NULL
)"""
"""Our short form of the items as Stripe's list, with as much of each as we keep."""
VIEWS = {
    "customers": (
        "users",
        {
            "id": ("stripe_customer_id", "t.stripe_customer_id::TEXT"),
            "object": ("stripe_customer_id", "'customer'::TEXT"),
            "address": ("address", "t.address"),
            "email": ("stripe_email", "t.stripe_email::TEXT"),
            "metadata": ("metadata", "t.metadata"),
            "name": ("name", "t.name::TEXT"),
            "phone": ("phone", "t.phone::TEXT"),
            "created": ("stripe_created_at", _SECONDS.format("stripe_created_at")),
            "deleted": ("deleted_at", "t.deleted_at IS NOT NULL"),
            "updated_at": ("synced_at", "t.synced_at"),
            "last_synced_at": ("stripe_updated_at", "t.stripe_updated_at"),
        },
    ),
    "subscriptions": (
        "subscriptions",
        {
            "id": ("stripe_subscription_id", "t.stripe_subscription_id::TEXT"),
            "object": ("stripe_subscription_id", "'subscription'::TEXT"),
            "customer": ("user_id", "u.stripe_customer_id::TEXT"),
            "status": ("status", "t.status::TEXT"),
            "metadata": ("metadata", "t.metadata"),
            "current_period_start": ("current_period_start", _SECONDS.format("current_period_start")),
            "current_period_end": ("current_period_end", _SECONDS.format("current_period_end")),
            "created": ("stripe_created_at", _SECONDS.format("stripe_created_at")),
            "updated_at": ("synced_at", "t.synced_at"),
            "last_synced_at": ("stripe_updated_at", "t.stripe_updated_at"),
            # Kept by releases whose subscriptions have these columns.
            "items": ("items", _ITEMS),
            "cancel_at_period_end": ("cancel_at_period_end", "t.cancel_at_period_end"),
            "cancel_at": ("cancel_at", _SECONDS.format("cancel_at")),
            "canceled_at": ("canceled_at", _SECONDS.format("canceled_at")),
            "ended_at": ("ended_at", _SECONDS.format("ended_at")),
            "trial_end": ("trial_end", _SECONDS.format("trial_end")),
            "start_date": ("start_date", _SECONDS.format("start_date")),
            "collection_method": ("collection_method", "t.collection_method::TEXT"),
            "pause_collection": ("pause_collection", "t.pause_collection"),
        },
    ),
}
"""By view: the table it shows, and for each of its columns, the column of ours that it needs and the SQL that shows it."""


def make_views(connection: sa.Connection, schema: str) -> None:
    """Make both views, or bring them up to date; raises MigrationRefusedError where an object that is not ours is in the way."""
    connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{SCHEMA}"')
    for view, (table, columns) in VIEWS.items():
        purpose = _PURPOSE.format(schema=schema, table=table)
        found = connection.exec_driver_sql(_WHAT_IS_THERE, (view,)).first()
        if found is not None and found.comment != purpose:
            raise MigrationRefusedError(
                f"There is a table or view {SCHEMA}.{view} already, and it is not ours: rename its schema first "
                f"(ALTER SCHEMA {SCHEMA} RENAME TO stripe_before), and try again. Nothing was changed."
            )
        there = {*connection.exec_driver_sql(_COLUMNS, (schema, table)).scalars()}
        shown: list[sa.ColumnElement[object]] = [
            sa.literal_column(how).label(name) for name, (needed, how) in columns.items() if needed in there
        ]
        joined = f' JOIN "{schema}".users AS u ON u.user_id = t.user_id' if table != "users" else ""
        query = sa.select(*shown).select_from(sa.text(f'"{schema}"."{table}" AS t{joined}'))
        connection.exec_driver_sql(f'CREATE OR REPLACE VIEW "{SCHEMA}".{view} AS {query}')
        quoted = purpose.replace("'", "''")
        connection.exec_driver_sql(f"COMMENT ON VIEW \"{SCHEMA}\".{view} IS '{quoted}'")
