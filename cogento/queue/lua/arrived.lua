-- arrived: sets the state of customers that have moved here and have nothing left in their former shard.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   layout that the caller uses
-- ARGV[3…]  customer ids
-- Returns   {LAYOUT, the newer layout that the shard knows}, or how many of these customers were still marked as moving

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
