"""Postgres: migrations, queries and the store. Knows no Redis, no Celery, no HTTP."""
