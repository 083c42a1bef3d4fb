-- settle: ends a worker's lease on each customer, and records what became of its events.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   token
-- ARGV[3]   when to try parked events again
-- ARGV[4…]  for each customer, once: customer id, when its sleep ends (0: no sleep), 1 = try its parked events again now | 0,
--           count and ids of done events, count and ids of events to park, count and (id, tries) of failed events
-- Returns   one per customer: 1 SETTLED | 0 LOST: the lease has another owner or none, and nothing was changed

local SETTLED, LOST = 1, 0
local at = 3
local function next_argument()
  at = at + 1
  return ARGV[at]
end
local function next_arguments(width)
  local many = {}
  for i = 1, tonumber(next_argument()) * width do many[i] = next_argument() end
  return many
end

local is_any_parked = redis.call('EXISTS', PARKED) == 1

local function park(customer, id)
  local place = redis.call('ZSCORE', mail_of(customer), id)
  if not place then return end
  redis.call('ZREM', mail_of(customer), id)
  redis.call('ZADD', held_of(customer), place, id)
  redis.call('ZADD', PARKED, 'NX', ARGV[3], customer)
  is_any_parked = true
  incr_stat('waiting', -1)
  incr_stat('parked', 1)
end

-- These changes of all settlements are written together at the end: a Redis call costs more than the work that it does.
local finished, gone = {}, {}

local function finish(customer, done)
  for _, id in ipairs(done) do
    if redis.call('ZREM', mail_of(customer), id) == 1 then finished[#finished + 1] = id end
  end
end

local function settle(settlement)
  local customer = settlement.customer
  finish(customer, settlement.done)
  for i = 1, #settlement.failed, 2 do
    local id, tries = settlement.failed[i], settlement.failed[i + 1]
    if redis.call('ZSCORE', mail_of(customer), id) then redis.call('HSET', TRIES, id, tries) end
  end
  for _, id in ipairs(settlement.parked) do park(customer, id) end
  if settlement.release == '1' and is_any_parked then unpark(customer) end
end

-- As `set_state`, except that customers without events are only collected in `gone`, to be removed from `since` and CRASHES
-- together; usually none of the customers has events left.
local FEW = 16
local function set_state_or_drop(settlements)
  for first = 1, #settlements, FEW do
    local last, mails = math.min(first + FEW - 1, #settlements), {}
    for i = first, last do mails[#mails + 1] = mail_of(settlements[i].customer) end
    local is_any_left = redis.call('EXISTS', unpack(mails)) > 0
    for i = first, last do
      local customer = settlements[i].customer
      if is_any_left and head_of(customer) then set_state(customer, settlements[i].wake) else gone[#gone + 1] = customer end
    end
  end
end

-- A customer with ALONE crashes or more keeps ALONE of them until its mailbox is empty. Otherwise each harmless event before
-- the one that crashes workers would reset the count, and two more workers would crash before the customer is claimed alone.
local function reset_crash_count(customers)
  for i, crashes in pairs(fields_of(CRASHES, customers)) do
    if crashes and tonumber(crashes) >= ALONE then
      redis.call('HSET', CRASHES, customers[i], ALONE)
    elseif crashes then
      redis.call('HDEL', CRASHES, customers[i])
    end
  end
end

local settlements, customers = {}, {}
while at < #ARGV do
  local settlement = {customer = next_argument(), wake = tonumber(next_argument()), release = next_argument()}
  settlement.done, settlement.parked, settlement.failed = next_arguments(1), next_arguments(1), next_arguments(2)
  settlements[#settlements + 1], customers[#customers + 1] = settlement, settlement.customer
end

local owners, results, ours, freed = fields_of(OWNERS, customers), {}, {}, {}
for i, settlement in ipairs(settlements) do
  results[i] = owners[i] == ARGV[2] and SETTLED or LOST
  if results[i] == SETTLED then ours[#ours + 1], freed[#freed + 1] = settlement, settlement.customer end
end
chunked_call('ZREM', LEASES, freed)
chunked_call('HDEL', OWNERS, freed)
reset_crash_count(freed)
for _, settlement in ipairs(ours) do settle(settlement) end
set_state_or_drop(ours)
incr_stat('bytes', -delete_events(finished))
incr_stat('waiting', -#finished)
incr_stat('settled', #finished)
if redis.call('EXISTS', TRIES) == 1 then chunked_call('HDEL', TRIES, finished) end
chunked_call('ZREM', SINCE, gone)
if redis.call('EXISTS', CRASHES) == 1 then chunked_call('HDEL', CRASHES, gone) end
return results
