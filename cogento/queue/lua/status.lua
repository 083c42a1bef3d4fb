-- status: how much there is, and how old the oldest is.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- Returns   {customers ready, leased, sleeping, paused, with parked events;
--            received_ms of the oldest mailbox head or nil; 1 = halted | 0; {stats field, value, …}}

local oldest = redis.call('ZRANGE', SINCE, 0, 0, 'WITHSCORES')[2]
return {
  redis.call('ZCARD', READY), redis.call('ZCARD', LEASES), redis.call('ZCARD', SLEEPING),
  redis.call('ZCARD', PAUSED), redis.call('ZCARD', PARKED), oldest or false,
  redis.call('EXISTS', HALTED), redis.call('HGETALL', STATS),
}
