"""What asks Stripe of its own accord, and lays the answers into mailboxes. Knows no HTTP and no Celery."""
