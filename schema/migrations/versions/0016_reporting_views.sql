-- Views for reports, beside the tables for people. They show subscriptions as they are known now; amounts are in the smallest
-- unit of their currency, months those of UTC. Values that are null because they are not known yet are left out.

-- A week is 7 of 365 days, so that twelve months are a year whatever the interval.
CREATE FUNCTION monthly_amount(item JSONB) RETURNS NUMERIC
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT
        (item ->> 'unit_amount')::NUMERIC * (item ->> 'quantity')::NUMERIC
        * CASE item ->> 'interval'
            WHEN 'year' THEN 1
            WHEN 'month' THEN 12
            WHEN 'week' THEN 365 / 7.0
            WHEN 'day' THEN 365
        END
        / 12 / nullif((item ->> 'interval_count')::NUMERIC, 0)
$$;

COMMENT ON FUNCTION monthly_amount(JSONB) IS 'What an item of subscriptions.items comes to in a month, in the smallest unit of its currency; NULL where its amount, quantity or interval is.';

CREATE VIEW subscription_items AS
SELECT
    item.value ->> 'id' AS stripe_item_id,
    s.subscription_id,
    s.stripe_subscription_id,
    s.user_id,
    s.status,
    item.place::INTEGER AS place,
    item.value ->> 'product' AS product_id,
    item.value ->> 'price' AS price_id,
    (item.value ->> 'quantity')::NUMERIC AS quantity,
    (item.value ->> 'unit_amount')::NUMERIC AS unit_amount,
    item.value ->> 'currency' AS currency,
    item.value ->> 'interval' AS billing_interval,
    (item.value ->> 'interval_count')::INTEGER AS interval_count,
    to_timestamp((item.value ->> 'created')::BIGINT) AS created_at,
    monthly_amount(item.value) AS monthly_amount
FROM subscriptions AS s
CROSS JOIN LATERAL jsonb_array_elements(s.items) WITH ORDINALITY AS item (value, place);

COMMENT ON VIEW subscription_items IS 'Each item of each subscription, ended ones too; none of those whose items are not known yet.';
COMMENT ON COLUMN subscription_items.stripe_item_id IS 'Stripe''s id of the item, si_…';
COMMENT ON COLUMN subscription_items.subscription_id IS 'Our own id of the subscription.';
COMMENT ON COLUMN subscription_items.stripe_subscription_id IS 'Stripe''s id of the subscription, sub_…';
COMMENT ON COLUMN subscription_items.user_id IS 'Whose subscription it is.';
COMMENT ON COLUMN subscription_items.status IS 'Status of the subscription, as Stripe writes it.';
COMMENT ON COLUMN subscription_items.place IS 'Its place among the items of the subscription: 1 is the oldest.';
COMMENT ON COLUMN subscription_items.product_id IS 'Stripe''s id of the product, prod_…';
COMMENT ON COLUMN subscription_items.price_id IS 'Stripe''s id of the price or plan.';
COMMENT ON COLUMN subscription_items.quantity IS 'How many; NULL when it is billed by usage.';
COMMENT ON COLUMN subscription_items.unit_amount IS 'What one costs in one billing interval, in the smallest unit of the currency; NULL for a price in tiers.';
COMMENT ON COLUMN subscription_items.currency IS 'Currency, in lower case.';
COMMENT ON COLUMN subscription_items.billing_interval IS 'Interval of the price: day, week, month or year.';
COMMENT ON COLUMN subscription_items.interval_count IS 'After how many of these intervals it is billed again.';
COMMENT ON COLUMN subscription_items.created_at IS 'When the item was added to the subscription.';
COMMENT ON COLUMN subscription_items.monthly_amount IS 'What it comes to in a month, before discounts and taxes, in the smallest unit of the currency; NULL where quantity or amount is. A year has 12 months and 365 days.';

CREATE VIEW live_subscriptions AS
SELECT
    s.subscription_id,
    s.stripe_subscription_id,
    u.user_id,
    u.stripe_customer_id,
    u.stripe_email,
    u.name,
    s.status,
    s.pause_collection IS NOT NULL AS collection_paused,
    s.product_id,
    sold.product_ids,
    sold.monthly_amount,
    sold.currency,
    s.start_date,
    s.trial_end,
    s.current_period_end,
    coalesce(s.cancel_at, CASE WHEN s.cancel_at_period_end THEN s.current_period_end END) AS ends_at,
    s.metadata,
    s.unsure
FROM subscriptions AS s
INNER JOIN users AS u ON s.user_id = u.user_id
LEFT JOIN LATERAL (
    SELECT
        array_agg(DISTINCT item.value ->> 'product') AS product_ids,
        round(sum(monthly_amount(item.value)), 2) AS monthly_amount,
        min(item.value ->> 'currency') AS currency
    FROM jsonb_array_elements(s.items) AS item (value)
) AS sold ON TRUE
WHERE
    s.status IN ('active', 'trialing', 'past_due')
    AND u.deleted_at IS NULL;

COMMENT ON VIEW live_subscriptions IS 'Subscriptions that are active, trialing or past_due and whose customer is not deleted, each with its person and products.';
COMMENT ON COLUMN live_subscriptions.subscription_id IS 'Our own id of the subscription.';
COMMENT ON COLUMN live_subscriptions.stripe_subscription_id IS 'Stripe''s id of the subscription, sub_…';
COMMENT ON COLUMN live_subscriptions.user_id IS 'Whose subscription it is.';
COMMENT ON COLUMN live_subscriptions.stripe_customer_id IS 'Stripe''s id of the customer, cus_…';
COMMENT ON COLUMN live_subscriptions.stripe_email IS 'The customer''s address, exactly as in Stripe; several customers may share it.';
COMMENT ON COLUMN live_subscriptions.name IS 'The customer''s name.';
COMMENT ON COLUMN live_subscriptions.status IS 'active, trialing or past_due.';
COMMENT ON COLUMN live_subscriptions.collection_paused IS 'True while Stripe collects no money for it (pause_collection); it is live all the same.';
COMMENT ON COLUMN live_subscriptions.product_id IS 'Stripe''s id of the oldest item''s product, prod_…';
COMMENT ON COLUMN live_subscriptions.product_ids IS 'Those of all items; NULL while they are not known.';
COMMENT ON COLUMN live_subscriptions.monthly_amount IS 'What all items come to in a month, before discounts and taxes, in the smallest unit of the currency; items without an amount add nothing.';
COMMENT ON COLUMN live_subscriptions.currency IS 'Currency of the items: one subscription has one.';
COMMENT ON COLUMN live_subscriptions.start_date IS 'When it began.';
COMMENT ON COLUMN live_subscriptions.trial_end IS 'When its trial ends or ended.';
COMMENT ON COLUMN live_subscriptions.current_period_end IS 'End of the current period.';
COMMENT ON COLUMN live_subscriptions.ends_at IS 'When it is going to end, if that is decided.';
COMMENT ON COLUMN live_subscriptions.metadata IS 'Subscription metadata from Stripe.';
COMMENT ON COLUMN live_subscriptions.unsure IS 'True when it is not known which event of it is the latest.';

-- Each beginning adds an amount and each end subtracts it, in its month; the running sum is the amount at the end of each month.
-- So the cost grows with the items, not with items times months.
CREATE VIEW mrr_by_month AS
WITH phases AS (
    SELECT
        item.value ->> 'product' AS product_id,
        item.value ->> 'currency' AS currency,
        coalesce(monthly_amount(item.value), 0) AS amount,
        s.pause_collection IS NOT NULL AS is_paused,
        coalesce(s.start_date, s.stripe_created_at) AS began_at,
        greatest(coalesce(s.start_date, s.stripe_created_at), s.trial_end) AS pays_from,
        coalesce(s.ended_at, u.deleted_at, 'infinity') AS ends_at
    FROM subscriptions AS s
    INNER JOIN users AS u ON s.user_id = u.user_id
    CROSS JOIN LATERAL jsonb_array_elements(s.items) AS item (value)
    WHERE s.status IN ('active', 'trialing', 'past_due', 'canceled')
),

steps AS (
    SELECT
        phases.product_id,
        phases.currency,
        date_trunc('month', step.at AT TIME ZONE 'UTC') AS month,
        sum(step.sign) FILTER (WHERE step.is_paying) AS items,
        sum(step.sign * phases.amount) FILTER (WHERE step.is_paying) AS mrr,
        sum(step.sign * phases.amount) FILTER (WHERE step.is_paying AND phases.is_paused) AS paused_mrr,
        sum(step.sign * phases.amount) FILTER (WHERE NOT step.is_paying) AS trialing_mrr
    FROM phases
    CROSS JOIN LATERAL (
        VALUES
        (phases.began_at, 1, FALSE),
        (least(phases.pays_from, phases.ends_at), -1, FALSE),
        (least(phases.pays_from, phases.ends_at), 1, TRUE),
        (phases.ends_at, -1, TRUE)
    ) AS step (at, sign, is_paying)
    WHERE
        step.at < now()
        AND (step.is_paying OR phases.began_at < phases.pays_from)
    GROUP BY 1, 2, 3
),

months AS (
    SELECT generate_series(min(steps.month), date_trunc('month', now() AT TIME ZONE 'UTC'), '1 month') AS month
    FROM steps
),

every_month AS (
    SELECT * FROM steps
    UNION ALL
    SELECT
        sold.product_id,
        sold.currency,
        months.month,
        0,
        0,
        0,
        0
    FROM (SELECT DISTINCT product_id, currency FROM steps) AS sold
    CROSS JOIN months
),

by_month AS (
    SELECT
        product_id,
        currency,
        month,
        sum(items) AS items,
        sum(mrr) AS mrr,
        sum(paused_mrr) AS paused_mrr,
        sum(trialing_mrr) AS trialing_mrr
    FROM every_month
    GROUP BY 1, 2, 3
)

SELECT
    month::DATE AS month,
    product_id,
    currency,
    (sum(items) OVER until_then)::BIGINT AS items,
    round(sum(mrr) OVER until_then)::BIGINT AS mrr,
    round(sum(paused_mrr) OVER until_then)::BIGINT AS paused_mrr,
    round(sum(trialing_mrr) OVER until_then)::BIGINT AS trialing_mrr
FROM by_month
WINDOW until_then AS (PARTITION BY product_id, currency ORDER BY month);

COMMENT ON VIEW mrr_by_month IS 'Monthly recurring revenue at the end of each month (of the current one: now), by product and currency, before discounts and taxes. Past months are reckoned with today''s items: Stripe''s events are no history of prices. Subscriptions that are unpaid, paused or incomplete now count in no month.';
COMMENT ON COLUMN mrr_by_month.month IS 'First day of the month, in UTC.';
COMMENT ON COLUMN mrr_by_month.product_id IS 'Stripe''s id of the product, prod_…';
COMMENT ON COLUMN mrr_by_month.currency IS 'Currency, in lower case; amounts of two are never added.';
COMMENT ON COLUMN mrr_by_month.items IS 'How many items were paid for: past their trial and not ended.';
COMMENT ON COLUMN mrr_by_month.mrr IS 'What they come to in a month, in the smallest unit of the currency; what is billed by usage or in tiers adds nothing.';
COMMENT ON COLUMN mrr_by_month.paused_mrr IS 'The part of it whose collection is paused now.';
COMMENT ON COLUMN mrr_by_month.trialing_mrr IS 'What those in their trial will come to; not part of mrr.';

CREATE VIEW churn_by_month AS
WITH lives AS (
    SELECT
        s.product_id,
        greatest(coalesce(s.start_date, s.stripe_created_at), s.trial_end) AS pays_from,
        coalesce(s.ended_at, u.deleted_at, 'infinity') AS ends_at
    FROM subscriptions AS s
    INNER JOIN users AS u ON s.user_id = u.user_id
    WHERE
        s.status IN ('active', 'trialing', 'past_due', 'canceled')
        AND s.items IS NOT NULL
),

steps AS (
    SELECT
        lives.product_id,
        date_trunc('month', step.at AT TIME ZONE 'UTC') AS month,
        count(*) FILTER (WHERE step.begins) AS began,
        count(*) FILTER (WHERE NOT step.begins) AS ended
    FROM lives
    CROSS JOIN LATERAL (VALUES (lives.pays_from, TRUE), (lives.ends_at, FALSE)) AS step (at, begins)
    WHERE
        step.at < now()
        AND lives.pays_from < lives.ends_at
    GROUP BY 1, 2
),

months AS (
    SELECT generate_series(min(steps.month), date_trunc('month', now() AT TIME ZONE 'UTC'), '1 month') AS month
    FROM steps
),

by_month AS (
    SELECT
        every_month.product_id,
        every_month.month,
        sum(every_month.began) AS began,
        sum(every_month.ended) AS ended
    FROM (
        SELECT * FROM steps
        UNION ALL
        SELECT
            sold.product_id,
            months.month,
            0,
            0
        FROM (SELECT DISTINCT product_id FROM steps) AS sold
        CROSS JOIN months
    ) AS every_month
    GROUP BY 1, 2
),

counted AS (
    SELECT
        product_id,
        month,
        began,
        ended,
        coalesce(sum(began - ended) OVER before, 0) AS at_start
    FROM by_month
    WINDOW before AS (PARTITION BY product_id ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)

SELECT
    month::DATE AS month,
    product_id,
    at_start::BIGINT AS at_start,
    began::BIGINT AS began,
    ended::BIGINT AS ended,
    round(ended / nullif(at_start, 0), 4) AS churn
FROM counted;

COMMENT ON VIEW churn_by_month IS 'How many paid subscriptions there were when a month began, and how many began and ended in it, by the product of the oldest item. One that ends in its trial is in neither number; of the current month it is what has happened until now.';
COMMENT ON COLUMN churn_by_month.month IS 'First day of the month, in UTC.';
COMMENT ON COLUMN churn_by_month.product_id IS 'Stripe''s id of the oldest item''s product, prod_…';
COMMENT ON COLUMN churn_by_month.at_start IS 'Subscriptions that were paid for when the month began.';
COMMENT ON COLUMN churn_by_month.began IS 'Subscriptions whose first paid period began in it.';
COMMENT ON COLUMN churn_by_month.ended IS 'Subscriptions that ended in it, those that began in it included.';
COMMENT ON COLUMN churn_by_month.churn IS 'ended / at_start; NULL when there was none to begin with.';

CREATE VIEW members_by_metadata AS
SELECT
    entry.key,
    entry.value,
    count(*) AS members
FROM user_roles AS r
INNER JOIN users AS u ON r.user_id = u.user_id
CROSS JOIN LATERAL jsonb_each_text(u.metadata) AS entry
WHERE r.role = 'member'
GROUP BY entry.key, entry.value;

COMMENT ON VIEW members_by_metadata IS 'How many users with the role member have each value of each key of the customer''s metadata.';
COMMENT ON COLUMN members_by_metadata.key IS 'Key of the metadata.';
COMMENT ON COLUMN members_by_metadata.value IS 'Its value.';
COMMENT ON COLUMN members_by_metadata.members IS 'How many members have it.';
