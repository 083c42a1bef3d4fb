-- arrive: stores a copy of customers that move here from another shard; nobody works on it before `arrived`.
--
-- May be repeated, with the same events or others: what is here already stays as it is. A customer that has something else
-- here, for example after a failover that lost its move, gets the events and keeps its state.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   layout that the caller goes by
-- ARGV[3…]  for each customer as leave.lua shows it: customer id, ms when it wakes, pause, crashes, ms of the next look at parked events,
--           count of waiting events, (id, place, tries, value) of each, count of parked ones, the same of each
-- Returns   {LAYOUT, the newer one that the shard knows}, or 1

local newer = newer_layout(ARGV[2])
if newer then return newer end
local at = 2
local function next_argument()
  at = at + 1
  return ARGV[at]
end

-- Writes events into a mailbox, unless they are in the customer's other one.
local function write(mailbox, other, gauge)
  local added, bytes = 0, 0
  for _ = 1, tonumber(next_argument()) do
    local id, place, tries, value = next_argument(), next_argument(), next_argument(), next_argument()
    if redis.call('SET', event_of(id), value, 'NX') then bytes = bytes + #value end
    if not redis.call('ZSCORE', other, id) then added = added + redis.call('ZADD', mailbox, 'NX', place, id) end
    if tries ~= '' then redis.call('HSETNX', TRIES, id, tries) end
  end
  incr_stat(gauge, added)
  incr_stat('bytes', bytes)
end

while at < #ARGV do
  local customer, wakes, pause, crashes, look =
    next_argument(), next_argument(), next_argument(), tonumber(next_argument()), next_argument()
  if not is_here(customer) then
    redis.call('ZADD', LEASES, NEVER, customer)
    redis.call('HSET', OWNERS, customer, MOVE .. wakes)
  end
  write(mail_of(customer), held_of(customer), 'waiting')
  write(held_of(customer), mail_of(customer), 'parked')
  if redis.call('EXISTS', held_of(customer)) == 1 then redis.call('ZADD', PARKED, 'NX', look, customer) end
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
