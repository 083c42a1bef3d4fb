-- fence: notes what a receiver let in and kept out since its last note.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   whose events it lets in: "livemode account"
-- ARGV[3]   how many events it let in
-- ARGV[4]   an event that named no account and was kept out, or nothing
-- ARGV[5…]  (reason, count) of those that it kept out; bad_signatures of webhooks that no secret signed
-- Returns   nothing
--
-- What was kept out is counted since an event was last let in; with other settings the count starts again.

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
