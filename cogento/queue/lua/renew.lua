-- renew: extends a worker's leases; those that have ended or passed to another worker stay as they are.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   token
-- ARGV[3]   when the leases are to end
-- ARGV[4…]  customer ids
-- Returns   how many of the customers are still leased with this token

local held = 0
for i = 4, #ARGV do
  if redis.call('HGET', OWNERS, ARGV[i]) == ARGV[2] then
    redis.call('ZREM', LEASES, ARGV[i]) -- first a write that frees memory (shard.lua)
    redis.call('ZADD', LEASES, ARGV[3], ARGV[i])
    held = held + 1
  end
end
return held
