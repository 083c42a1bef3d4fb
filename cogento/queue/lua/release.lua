-- release: ends a worker's leases and leaves the events as they are; a worker that is asked to stop does this.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   token
-- ARGV[3…]  customer ids
-- Returns   how many of the customers were leased with this token, and can be claimed again

local released = 0
for i = 3, #ARGV do
  if redis.call('HGET', OWNERS, ARGV[i]) == ARGV[2] then
    release_lease(ARGV[i])
    set_state(ARGV[i], 0)
    released = released + 1
  end
end
return released
