-- forget: deletes the events of a customer, and erases the reason of its pause and of every pause that names the person.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   customer id
-- ARGV[3]   1: the shard is retired, where nobody works, and everything is deleted; 0: it is not
-- ARGV[4]   number of events that the caller knows, n
-- ARGV[5…]  their ids; then texts that name the person, to be searched for in the reasons of all pauses
-- Returns   how many events were deleted, or -1: nothing was changed, because a worker has leased the customer or there is an
--           event that the caller does not know

local LEFT_ALONE = -1
local customer, is_retired, first_name = ARGV[2], ARGV[3] == '1', 5 + tonumber(ARGV[4])
if not is_retired and redis.call('HEXISTS', OWNERS, customer) == 1 then return LEFT_ALONE end

local known = {}
for i = 5, first_name - 1 do known[ARGV[i]] = true end
local mail = redis.call('ZRANGE', mail_of(customer), 0, -1)
local held = redis.call('ZRANGE', held_of(customer), 0, -1)
for _, ids in ipairs({mail, held}) do
  for _, id in ipairs(ids) do
    if not is_retired and not known[id] then return LEFT_ALONE end
  end
end
redis.call('DEL', mail_of(customer), held_of(customer), aside_of('mail:' .. customer), aside_of('held:' .. customer))
for _, list in ipairs({READY, SLEEPING, PAUSED, PARKED, SINCE}) do redis.call('ZREM', list, customer) end
redis.call('HDEL', CRASHES, customer)
if is_retired then
  redis.call('HDEL', OWNERS, customer)
  redis.call('ZREM', LEASES, customer)
end
for _, ids in ipairs({mail, held}) do
  incr_stat('bytes', -delete_events(ids))
  if #ids > 0 then chunked_call('HDEL', TRIES, ids) end
  for _, id in ipairs(ids) do redis.call('DEL', aside_of('event:' .. id)) end
end
incr_stat('waiting', -#mail)
incr_stat('parked', -#held)
incr_stat('removed', #mail + #held)

local function names_person(value)
  local text = string.lower(value)
  for i = first_name, #ARGV do
    if string.find(value, ARGV[i], 1, true) or string.find(text, ARGV[i], 1, true) then return true end
  end
  return false
end

-- The pause stays in force; who paused and why, which follow its time in the value, are erased.
local pauses = redis.call('HGETALL', PAUSES)
for i = 1, #pauses, 2 do
  if pauses[i] == customer or names_person(pauses[i + 1]) then
    redis.call('HSET', PAUSES, pauses[i], string.match(pauses[i + 1], '^%d+') or now)
  end
end
local halted = redis.call('GET', HALTED)
if halted and names_person(halted) then redis.call('SET', HALTED, string.match(halted, '^%d+') or now) end
return #mail + #held
