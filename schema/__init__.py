"""SQL: migrations and queries in files, and the code that loads them. Knows nothing else."""
