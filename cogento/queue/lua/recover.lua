-- recover: puts customers whose lease has expired back in line, and counts the crash. No other script does this.
-- Where Redis lost the owner, even a healthy worker could not settle: that is no crash.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   most customers in one go
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
