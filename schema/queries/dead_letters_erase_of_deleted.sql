-- Erase the bytes of all dead letters of customers that are deleted, whatever a letter's status.
UPDATE dead_letters
SET raw_body = NULL
FROM users
WHERE
    users.stripe_customer_id = dead_letters.customer_id
    AND users.deleted_at IS NOT NULL
    AND dead_letters.raw_body IS NOT NULL
