"""What Postgres is told: migrations and queries in SQL files, and what loads them. Knows nothing else."""
