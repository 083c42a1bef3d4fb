-- Read facts about the server: its version, whether it is read-only, and how many of its connections are in use.
SELECT
    current_setting('server_version') AS version,
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS is_read_only,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
    current_setting('max_connections')::BIGINT AS max_connections
