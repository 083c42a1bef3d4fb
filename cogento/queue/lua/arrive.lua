-- arrive: stores a copy of customers that move here from another shard; no worker can claim them before arrived.lua.
--
-- It may be repeated with the same events or others: an event that is stored here already is not changed. One that an earlier
-- copy has as parked and that waits by now (replay.lua, wake.lua) waits here, too. A customer that has other events here, for
-- example after a failover that lost its move, gets these events too and keeps its state.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   layout that the caller uses
-- ARGV[3…]  for each customer, as leave.lua returns it: customer id, ms when its sleep ends, pause, crashes, ms when its parked
--           events are next tried, count of waiting events, (id, score, tries, value) of each, count of parked events, the same
--           four of each
-- Returns   {LAYOUT, the newer layout that the shard knows}, or 1

local newer = newer_layout(ARGV[2])
if newer then return newer end
local at = 2
local function next_argument()
  at = at + 1
  return ARGV[at]
end

-- Adds events to the customer's waiting or parked ones. If the customer moves here, events that were among the `other` ones are
-- taken from there, else they stay there.
local function write(customer, mailbox, other, gauge, other_gauge)
  local added, taken, bytes = 0, 0, 0
  local may_take = redis.call('EXISTS', other) == 1 and is_moving(customer)
  for _ = 1, tonumber(next_argument()) do
    local id, place, tries, value = next_argument(), next_argument(), next_argument(), next_argument()
    if redis.call('SET', event_of(id), value, 'NX') then bytes = bytes + #value end
    if may_take then taken = taken + redis.call('ZREM', other, id) end
    if not redis.call('ZSCORE', other, id) then added = added + redis.call('ZADD', mailbox, 'NX', place, id) end
    if tries ~= '' then redis.call('HSETNX', TRIES, id, tries) end
  end
  incr_stat(gauge, added)
  incr_stat(other_gauge, -taken)
  incr_stat('bytes', bytes)
end

while at < #ARGV do
  local customer, wakes, pause, crashes, look =
    next_argument(), next_argument(), next_argument(), tonumber(next_argument()), next_argument()
  if not is_here(customer) then
    redis.call('ZADD', LEASES, NEVER, customer)
    redis.call('HSET', OWNERS, customer, MOVE .. wakes)
  end
  write(customer, mail_of(customer), held_of(customer), 'waiting', 'parked')
  write(customer, held_of(customer), mail_of(customer), 'parked', 'waiting')
  if redis.call('EXISTS', held_of(customer)) == 1 then
    redis.call('ZADD', PARKED, 'NX', look, customer)
  else
    redis.call('ZREM', PARKED, customer)
  end
  if redis.call('EXISTS', mail_of(customer)) == 1 then restore_state(customer) end
  if pause ~= '' then
    redis.call('HSET', PAUSES, customer, pause)
    if redis.call('ZREM', READY, customer) + redis.call('ZREM', SLEEPING, customer) > 0 then set_state(customer, 0) end
  elseif is_moving(customer) then
    redis.call('HDEL', PAUSES, customer)
  end
  if crashes > 0 and is_moving(customer) then redis.call('HSET', CRASHES, customer, crashes) end
end
return 1
