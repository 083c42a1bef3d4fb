-- beat: records a worker's heartbeat, in its own slot or, if it has none yet, in the lowest free one.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   worker, a name without spaces
-- ARGV[3]   what else is noted of it: "started_ms took_ms version"
-- ARGV[4]   ms of silence after which a slot is another worker's to take
-- ARGV[5]   ms of silence after which a worker is forgotten
-- ARGV[6…]  (field, count) of delays to add
-- Returns   its slot

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
