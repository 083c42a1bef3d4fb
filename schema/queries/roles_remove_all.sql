-- Remove every role of these users, who were deleted in Stripe.
-- $1 UUID[]: user ids
DELETE FROM user_roles
WHERE user_id = ANY($1::UUID[])
