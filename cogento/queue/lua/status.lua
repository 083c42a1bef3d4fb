-- status: how much there is, and how old the oldest is.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- Returns   {name, value, …}: customers ready, leased, sleeping, paused, and parked_customers; oldest_event: received_ms
--            of the oldest mailbox head or nil; halted: 1 | 0; stats: {field, value, …}

return {
  'ready', redis.call('ZCARD', READY),
  'leased', redis.call('ZCARD', LEASES),
  'sleeping', redis.call('ZCARD', SLEEPING),
  'paused', redis.call('ZCARD', PAUSED),
  'parked_customers', redis.call('ZCARD', PARKED),
  'oldest_event', redis.call('ZRANGE', SINCE, 0, 0, 'WITHSCORES')[2] or false,
  'halted', redis.call('EXISTS', HALTED),
  'stats', redis.call('HGETALL', STATS),
}
