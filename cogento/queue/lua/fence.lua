-- fence: records how many events a receiver accepted and ignored since its last record.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   whose events it accepts: "livemode account"
-- ARGV[3]   how many events it accepted
-- ARGV[4]   id of an event that was ignored because it named no account, or empty
-- ARGV[5…]  (reason, count) of ignored events; as reason bad_signatures, webhooks that were signed with none of our secrets
-- Returns   nothing
--
-- Ignored events are counted since an event was last accepted; when a receiver's settings differ, the count starts again.

local known = redis.call('HMGET', FENCE, 'expects', 'let_in_ms')
local let_in = tonumber(ARGV[3]) > 0
if let_in or known[1] ~= ARGV[2] then redis.call('DEL', FENCE) end
redis.call('HSET', FENCE, 'expects', ARGV[2])
if let_in then
  redis.call('HSET', FENCE, 'let_in_ms', ARGV[1])
else
  if ARGV[4] ~= '' then redis.call('HSET', FENCE, 'unnamed', ARGV[4]) end
  for i = 5, #ARGV, 2 do redis.call('HINCRBY', FENCE, ARGV[i], ARGV[i + 1]) end
end
