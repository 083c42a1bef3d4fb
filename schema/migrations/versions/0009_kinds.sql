-- The program defines which kinds of objects there are (cogento/events/kinds/).

ALTER TABLE notices DROP CONSTRAINT notices_kind_check;
ALTER TABLE backfill_slices DROP CONSTRAINT backfill_slices_kind_check;

COMMENT ON COLUMN notices.kind IS 'Kind of object, as Stripe names it: customer for example.';
COMMENT ON COLUMN backfill_slices.kind IS 'Kind of object, as Stripe names it: customer for example.';
COMMENT ON COLUMN backfill_totals.kind IS 'Kind of object, as Stripe names it: customer for example.';
