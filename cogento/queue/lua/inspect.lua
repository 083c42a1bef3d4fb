-- inspect: checks some customers' mailboxes, and restores what was lost of their states.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   ms for which a lost lease is restored, because its owner may still be processing
-- ARGV[3]   number of events after which no further customer is checked
-- ARGV[4]   mail | held: with held, customers that have waiting events are skipped, because they were checked before
-- ARGV[5…]  customer ids
-- Returns   {customers checked, waiting events, parked events, bytes of both, customers repaired, {id of each event}}

local lease_ms, events_limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local looked, waiting, parked, bytes, repaired, ids = 0, 0, 0, 0, 0, {}

-- Counts a mailbox's events and their bytes. Removes ids whose event is gone, unless a worker may have read it already.
local function add_up(customer, mailbox, is_leased)
  local kept = 0
  for _, id in ipairs(redis.call('ZRANGE', mailbox, 0, -1)) do
    local size = redis.pcall('STRLEN', event_of(id)) -- pcall: a value that is not a string is not an event either
    if type(size) == 'table' then size = 0 end
    if size == 0 and not is_leased then
      drop_lost(customer, mailbox, id)
    else
      kept, bytes, ids[#ids + 1] = kept + 1, bytes + size, id
    end
  end
  return kept
end

local function remove_from(customer, states)
  local left = 0
  for _, state in ipairs(states) do left = left + redis.call('ZREM', state, customer) end
  return left
end

-- Leaves a customer with waiting events in at most one state. A lease's owner may still be processing, and a pause must stay in
-- force: a customer for which either is recorded anywhere must not become ready.
local function repair_state(customer)
  if redis.call('HEXISTS', OWNERS, customer) == 1 and not redis.call('ZSCORE', LEASES, customer) then
    redis.call('ZADD', LEASES, is_moving(customer) and NEVER or now + lease_ms, customer)
    return 1 + remove_from(customer, {READY, SLEEPING, PAUSED})
  end
  if redis.call('ZSCORE', LEASES, customer) then return remove_from(customer, {READY, SLEEPING, PAUSED}) end
  local paused = redis.call('ZSCORE', PAUSED, customer)
  if paused then
    return redis.call('HSETNX', PAUSES, customer, paused) + remove_from(customer, {READY, SLEEPING})
  end
  if redis.call('HEXISTS', PAUSES, customer) == 1 then
    remove_from(customer, {READY, SLEEPING})
    add_to_state(customer, 0)
    return 1
  end
  if redis.call('ZSCORE', SLEEPING, customer) then return remove_from(customer, {READY}) end
  return 0
end

-- Nearly all customers need no repair; a few calls for all of them together show which do.
local customers = {unpack(ARGV, 5)}
local scores = {}
for i, list in ipairs({READY, LEASES, SLEEPING, PAUSED, SINCE}) do scores[i] = chunked_query('ZMSCORE', list, customers) end
local owners, pauses = fields_of(OWNERS, customers), fields_of(PAUSES, customers)
local function is_well(i)
  local ready, leased, sleeping, paused = scores[1][i], scores[2][i], scores[3][i], scores[4][i]
  local states = (ready and 1 or 0) + (leased and 1 or 0) + (sleeping and 1 or 0) + (paused and 1 or 0)
  if states ~= 1 or not scores[5][i] or (owners[i] and not leased) then return false end
  return not (pauses[i] and (ready or sleeping)) and not (paused and not pauses[i])
end

local function repair(i)
  local customer, is_leased = customers[i], owners[i]
  local waits = add_up(customer, mail_of(customer), is_leased)
  local holds = add_up(customer, held_of(customer), is_leased)
  local found = 0
  if waits > 0 and is_well(i) then
    found = 0
  elseif waits > 0 then
    found = repair_state(customer) + restore_state(customer)
  elseif not is_leased then
    found = remove_from(customer, {READY, LEASES, SLEEPING, PAUSED, SINCE})
    redis.call('HDEL', CRASHES, customer)
  end
  if holds > 0 then found = found + redis.call('ZADD', PARKED, 'NX', now, customer) end
  waiting, parked = waiting + waits, parked + holds
  if found > 0 then repaired = repaired + 1 end
end

for i, customer in ipairs(customers) do
  if #ids >= events_limit then break end
  if ARGV[4] == 'mail' or redis.call('EXISTS', mail_of(customer)) == 0 then repair(i) end
  looked = looked + 1
end
incr_stat('repaired', repaired)
return {looked, waiting, parked, bytes, repaired, ids}
