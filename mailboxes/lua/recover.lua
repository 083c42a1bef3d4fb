-- recover: puts customers whose lease has expired back in line, and counts the crash. The only way back.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   most customers in one go
-- Returns   how many were recovered

local expired = redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, ARGV[2])
for _, customer in ipairs(expired) do
  free(customer)
  redis.call('HINCRBY', CRASHES, customer, 1)
  seat(customer, 0)
end
tally('expired', #expired)
return #expired
