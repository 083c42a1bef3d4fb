-- set_aside: renames keys of ours whose value has another type than it should have, because every command on them would fail.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2…]  ids of customers and events, and names of circuits, whose keys are checked besides those of the shard as a whole
-- Returns   {name, type of its value, …} of the keys that were renamed

local MAX_HEADS, KEPT_MS = 1000, 30 * 24 * 3600 * 1000
local aside = {}

local function check(key, wanted)
  local found = redis.call('TYPE', key)
  found = found.ok or found
  if found == 'none' or found == wanted then return false end
  local name = string.sub(key, #tag + 2)
  redis.call('RENAME', key, aside_of(name))
  redis.call('PEXPIRE', aside_of(name), KEPT_MS)
  aside[#aside + 1], aside[#aside + 2] = name, found
  return true
end

local function check_mailbox(id)
  check(mail_of(id), 'zset')
  check(held_of(id), 'zset')
end

for _, key in ipairs({READY, LEASES, SLEEPING, PAUSED, PARKED, SINCE}) do check(key, 'zset') end
for _, key in ipairs({OWNERS, PAUSES, CRASHES, TRIES, BELL, STATS, WORKERS, DELAYS, PACE, LOST}) do check(key, 'hash') end
check(LAYOUT, 'string') -- the next command writes it again
if check(HALTED, 'string') then redis.call('SET', HALTED, now) end -- the pause of all customers stays in force
for i = 2, #ARGV do
  check_mailbox(ARGV[i])
  check(event_of(ARGV[i]), 'string')
  check(circuit_of(ARGV[i]), 'hash')
end
-- A claim, and the scripts that run before it, are given no customer ids: these are the customers that they would reach.
for _, customer in ipairs(redis.call('ZRANGE', READY, 0, MAX_HEADS - 1)) do check_mailbox(customer) end
for _, due in ipairs({LEASES, SLEEPING, PARKED}) do
  for _, customer in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, MAX_HEADS)) do check_mailbox(customer) end
end
return aside
