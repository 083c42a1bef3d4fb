-- Find which of our tables this database user has no right to read or write, as a worker must.
-- $1 VARCHAR[]: names of tables
SELECT named.relation
FROM unnest($1::VARCHAR[]) AS named (relation)
WHERE
    to_regclass(named.relation) IS NOT NULL
    AND NOT (
        has_table_privilege(to_regclass(named.relation), 'SELECT')
        AND has_table_privilege(to_regclass(named.relation), 'INSERT')
        AND has_table_privilege(to_regclass(named.relation), 'UPDATE')
    )
ORDER BY named.relation
