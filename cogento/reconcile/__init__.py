"""Asks Stripe without being asked itself, and puts the answers into mailboxes. Knows no HTTP and no Celery."""
