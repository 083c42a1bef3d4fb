"""Keeps a Postgres copy of Stripe's customers and subscriptions: what receiver, worker, commands and pages share."""
