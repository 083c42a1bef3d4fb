-- settle: ends a worker's lease on each customer with what became of its events.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   token
-- ARGV[3]   when to look at parked events again
-- ARGV[4…]  for each customer, once: customer id, when to wake (0: no sleep), 1 = release what is parked | 0,
--           count and ids of done events, count and ids of parked ones, count and (id, tries) of failed ones
-- Returns   one a customer: 1 SETTLED | 0 LOST: another owner or none, and nothing was changed

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

-- The effects of all settlements are written together at the end: a call costs more than its work.
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

-- As `set_state`, except that customers without mail are forgotten together; usually none of them has any left.
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

-- A suspect stays one until its mailbox is empty: else each harmless event before a deadly one would clear it,
-- and two more workers would die.
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
