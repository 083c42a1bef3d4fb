-- Which dead letters are of cancellations or deletions: until they are dealt with, somebody keeps access that has ended.

ALTER TABLE dead_letters ADD COLUMN removal BOOLEAN NOT NULL DEFAULT FALSE;

UPDATE dead_letters
SET removal = TRUE
WHERE
    status IN ('open', 'retrying')
    AND event_type IN ('customer.deleted', 'customer.subscription.deleted');

COMMENT ON COLUMN dead_letters.removal IS 'Whether the event says that its customer or subscription has ended.';
