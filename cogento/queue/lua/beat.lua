-- beat: records a worker's heartbeat in the worker's slot or, if it has no slot yet, in the lowest free one.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   worker, a name without spaces
-- ARGV[3]   what is stored with the heartbeat: "started_ms took_ms version"
-- ARGV[4]   ms without a heartbeat after which another worker may use the slot
-- ARGV[5]   ms without a heartbeat after which a worker is deleted
-- ARGV[6…]  (field, count) to add to the counters of delays
-- Returns   the worker's slot

local worker, slot, taken = ARGV[2], nil, {}
local noted = redis.call('HGETALL', WORKERS)
for i = 1, #noted, 2 do
  local beat, name = string.match(noted[i + 1], '^(%d+) (%S+) ')
  local silence = now - (tonumber(beat) or 0)
  if name == worker then slot = tonumber(noted[i]) end
  if silence > tonumber(ARGV[5]) then redis.call('HDEL', WORKERS, noted[i]) end
  if silence <= tonumber(ARGV[4]) then taken[tonumber(noted[i])] = true end
end
if not slot then
  slot = 0
  while taken[slot] do slot = slot + 1 end
end
redis.call('HDEL', WORKERS, slot) -- first a write that frees memory (shard.lua)
redis.call('HSET', WORKERS, slot, table.concat({ARGV[1], worker, ARGV[3]}, ' '))
for i = 6, #ARGV, 2 do redis.call('HINCRBY', DELAYS, ARGV[i], ARGV[i + 1]) end
return slot
