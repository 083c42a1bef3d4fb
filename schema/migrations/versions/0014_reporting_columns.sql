-- What reports need of a subscription, from the same snapshots as everything else. Existing rows show it after
-- their next event, or after a backfill: until then `items` is NULL, which a row of this release never shows.

ALTER TABLE subscriptions
ADD COLUMN items JSONB,
ADD COLUMN cancel_at_period_end BOOLEAN,
ADD COLUMN cancel_at TIMESTAMPTZ,
ADD COLUMN canceled_at TIMESTAMPTZ,
ADD COLUMN ended_at TIMESTAMPTZ,
ADD COLUMN trial_end TIMESTAMPTZ,
ADD COLUMN start_date TIMESTAMPTZ,
ADD COLUMN collection_method VARCHAR,
ADD COLUMN pause_collection JSONB;

COMMENT ON COLUMN subscriptions.items IS 'What is sold, the oldest item first: an array of {id, created, price, product, quantity, unit_amount, currency, interval, interval_count}; unit_amount in the smallest unit of the currency. NULL: nothing from here to pause_collection is known yet, run cogento backfill.';
COMMENT ON COLUMN subscriptions.cancel_at_period_end IS 'True when it ends with the current period; NULL when it is not known.';
COMMENT ON COLUMN subscriptions.cancel_at IS 'When it is going to end; NULL when no end is planned.';
COMMENT ON COLUMN subscriptions.canceled_at IS 'When its end was decided, which may be long before it ends; NULL when it was not.';
COMMENT ON COLUMN subscriptions.ended_at IS 'When it ended; NULL while it has not.';
COMMENT ON COLUMN subscriptions.trial_end IS 'When its trial ends or ended; NULL when it never had one.';
COMMENT ON COLUMN subscriptions.start_date IS 'When it began, which can be before it was created in Stripe.';
COMMENT ON COLUMN subscriptions.collection_method IS 'How it is paid, as Stripe writes it: charge_automatically or send_invoice.';
COMMENT ON COLUMN subscriptions.pause_collection IS 'While no money is collected: {behavior, resumes_at}, with the time in Unix seconds; NULL when it is. The status stays as it is.';

COMMENT ON COLUMN subscriptions.product_id IS 'Stripe''s id of the oldest item''s product, prod_…; items has the others.';
COMMENT ON COLUMN subscriptions.current_period_start IS 'Start of the current period; the latest of several items.';
COMMENT ON COLUMN subscriptions.current_period_end IS 'End of the current period; the earliest of several items.';
