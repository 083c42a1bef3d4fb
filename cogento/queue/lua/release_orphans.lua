-- release_orphans: ends the leases of claims whose reply never reached the worker, by the claims' tokens.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2…]  tokens
-- Returns   how many customers can be claimed again

local orphaned = {}
for i = 2, #ARGV do orphaned[ARGV[i]] = true end
local owners, released = redis.call('HGETALL', OWNERS), 0
for i = 1, #owners, 2 do
  if orphaned[owners[i + 1]] then
    release_lease(owners[i])
    set_state(owners[i], 0)
    released = released + 1
  end
end
return released
