-- Read which statuses make a member; no row while roles are left alone.
SELECT statuses
FROM member_statuses
WHERE statuses <> '{}'
