-- remaining: returns the customers of whom anything is in this shard, as all lists have them at one moment.
--
-- A customer that Redis has lost from the list in which it should be is missing.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   layout that the caller uses
-- ARGV[3]   number of entries above which no list is read, because Redis does nothing else meanwhile
-- Returns   {LAYOUT, the newer layout that the shard knows}, or {how many entries the lists have, {customer id, …}}: one in
--            several lists comes several times

local newer = newer_layout(ARGV[2])
if newer then return newer end
local entries = redis.call('ZCARD', SINCE) + redis.call('ZCARD', PARKED) + redis.call('HLEN', PAUSES) + redis.call('HLEN', OWNERS)
if entries > tonumber(ARGV[3]) then return {entries, {}} end
local customers = {}
for _, list in ipairs({
  redis.call('ZRANGE', SINCE, 0, -1), redis.call('ZRANGE', PARKED, 0, -1), redis.call('HKEYS', PAUSES), redis.call('HKEYS', OWNERS),
}) do
  for _, customer in ipairs(list) do customers[#customers + 1] = customer end
end
return {entries, customers}
