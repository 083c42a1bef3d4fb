-- left: deletes customers that are complete in another shard, unless anything changed since leave.lua returned them.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   layout that the caller uses
-- ARGV[3…]  for each customer: customer id, pause or '', count and ids of its waiting events, count and ids of its parked ones
-- Returns   {LAYOUT, the newer layout that the shard knows}, or one per customer: 1 nothing of it is here | 0 it has changed

local newer = newer_layout(ARGV[2])
if newer then return newer end
local at = 2
local function next_argument()
  at = at + 1
  return ARGV[at]
end

local function next_ids()
  local known = {count = tonumber(next_argument()), ids = {}}
  for _ = 1, known.count do known.ids[next_argument()] = true end
  return known
end

local function are_the(ids, known)
  for _, id in ipairs(ids) do
    if not known.ids[id] then return false end
  end
  return #ids == known.count
end

local function is_as_shown(customer, pause)
  return is_moving(customer) and (redis.call('HGET', PAUSES, customer) or '') == pause
end

-- The lease ends last: if the script fails before that, the next process that moves mailboxes repeats it.
local function forget(customer, mail, held)
  redis.call('DEL', mail_of(customer), held_of(customer))
  for gauge, ids in pairs({waiting = mail, parked = held}) do
    incr_stat('bytes', -delete_events(ids))
    incr_stat(gauge, -#ids)
    if #ids > 0 then chunked_call('HDEL', TRIES, ids) end
  end
  for _, list in ipairs({READY, SLEEPING, PAUSED, PARKED, SINCE}) do redis.call('ZREM', list, customer) end
  redis.call('HDEL', PAUSES, customer)
  redis.call('HDEL', CRASHES, customer)
  release_lease(customer)
end

local results = {}
while at < #ARGV do
  local customer, pause, waiting, parked = next_argument(), next_argument(), next_ids(), next_ids()
  local mail, held = redis.call('ZRANGE', mail_of(customer), 0, -1), redis.call('ZRANGE', held_of(customer), 0, -1)
  results[#results + 1] = 1
  if is_as_shown(customer, pause) and are_the(mail, waiting) and are_the(held, parked) then
    forget(customer, mail, held)
  elseif is_here(customer) then
    results[#results] = 0
  end
end
return results
