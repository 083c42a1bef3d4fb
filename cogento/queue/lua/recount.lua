-- recount: corrects gauges that differ from the counted number.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2…]  three per gauge: its name, the counted number, its value at that time
-- Returns   1

for i = 2, #ARGV, 3 do
  local says = tonumber(redis.call('HGET', STATS, ARGV[i]) or 0) or tonumber(ARGV[i + 2])
  redis.call('HSET', STATS, ARGV[i], string.format('%.0f', says + ARGV[i + 1] - ARGV[i + 2]))
end
return 1
