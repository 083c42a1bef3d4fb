-- recover: ends leases that have expired, so that the customers can be claimed again, and counts each as a crash. No other
-- script does this. If Redis lost the lease's owner, even a healthy worker could not settle: this is not counted.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   maximum number of customers
-- Returns   how many were recovered

local expired = redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, ARGV[2])
for _, customer in ipairs(expired) do
  local crashes = redis.call('HEXISTS', OWNERS, customer)
  release_lease(customer)
  if crashes == 1 then redis.call('HINCRBY', CRASHES, customer, 1) end
  set_state(customer, 0)
end
incr_stat('expired', #expired)
return #expired
