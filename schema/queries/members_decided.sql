-- Read which statuses make a member; no row while roles are not changed.
SELECT statuses
FROM member_statuses
WHERE statuses <> '{}'
