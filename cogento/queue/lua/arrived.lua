-- arrived: gives a state to customers that have moved here and have nothing left in their former shard.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   layout that the caller goes by
-- ARGV[3…]  customer ids
-- Returns   {LAYOUT, the newer one that the shard knows}, or how many of them had been on their way

local newer = newer_layout(ARGV[2])
if newer then return newer end
local arrived = 0
for i = 3, #ARGV do
  local customer = ARGV[i]
  if is_moving(customer) then
    local wakes = tonumber(string.sub(redis.call('HGET', OWNERS, customer) or '', #MOVE + 1)) or 0
    release_lease(customer)
    set_state(customer, wakes)
    arrived = arrived + 1
  end
end
return arrived
