-- Read from where to where changes are kept, and where they are announced.
SELECT
    complete_after,
    newest_change() AS newest,
    changes_channel() AS channel
FROM change_feed
