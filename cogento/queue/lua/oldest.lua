-- oldest: who waits longest.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   most customers
-- Returns   {customer id, received_ms of the event at its head, …}, the longest wait first

return redis.call('ZRANGE', SINCE, 0, tonumber(ARGV[2]) - 1, 'WITHSCORES')
