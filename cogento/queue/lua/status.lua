-- status: returns the numbers of customers by state, and the gauges and counters.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- Returns   {name, value, …}: customers ready, leased, sleeping, paused, and parked_customers; halted: 1 | 0;
--            stats: {field, value, …}

return {
  'ready', redis.call('ZCARD', READY),
  'leased', redis.call('ZCARD', LEASES),
  'sleeping', redis.call('ZCARD', SLEEPING),
  'paused', redis.call('ZCARD', PAUSED),
  'parked_customers', redis.call('ZCARD', PARKED),
  'halted', redis.call('EXISTS', HALTED),
  'stats', redis.call('HGETALL', STATS),
}
