-- remove_stale: removes customers from a list if they have no events for which they could be in it.
--
-- KEYS[1]  tag
-- ARGV[1]  now
-- ARGV[2]  list: ready | sleeping | paused | since | parked
-- ARGV[3]  cursor
-- ARGV[4]  about how many customers to check
-- Returns  {next cursor, how many customers were removed}

local list = tag .. ':' .. ARGV[2]
local box_of = list == PARKED and held_of or mail_of
local gone = 0
local found = redis.call('ZSCAN', list, ARGV[3], 'COUNT', ARGV[4])
for i = 1, #found[2], 2 do
  local customer = found[2][i]
  if redis.call('EXISTS', box_of(customer)) == 0 then
    gone = gone + redis.call('ZREM', list, customer)
    if list == SINCE then redis.call('HDEL', CRASHES, customer) end
  end
end
return {found[1], gone}
