-- Stays empty unless KEEP_OBJECTS asks for it. It is found by Stripe's id, and erased by the user.

CREATE TABLE stripe_objects (
    stripe_id VARCHAR NOT NULL,
    user_id UUID NOT NULL,
    event_id VARCHAR NOT NULL,
    object JSONB NOT NULL,
    CONSTRAINT stripe_objects_pkey PRIMARY KEY (stripe_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX idx_stripe_objects_user_id ON stripe_objects (user_id);

COMMENT ON TABLE stripe_objects IS 'The whole last object of each customer and of what belongs to one, if KEEP_OBJECTS is true; nothing of whoever is deleted or forgotten.';
COMMENT ON COLUMN stripe_objects.stripe_id IS 'Stripe''s id of the object, cus_… or sub_…';
COMMENT ON COLUMN stripe_objects.user_id IS 'Whose object it is.';
COMMENT ON COLUMN stripe_objects.event_id IS 'The event that it came with; where it is not the row''s last_webhook_event_id, the row shows another state.';
COMMENT ON COLUMN stripe_objects.object IS 'The object as Stripe''s event or answer had it, in the API version of that; personal data included.';
