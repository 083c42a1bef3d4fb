-- Read whether changes are recorded, which are kept, on which channel they are announced, and how full the server's queue is.
SELECT
    is_on,
    complete_after,
    newest_change() AS newest,
    changes_channel() AS channel,
    pg_notification_queue_usage() AS queue_usage
FROM change_feed
