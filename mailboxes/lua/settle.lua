-- settle: ends a worker's lease on each customer with what became of its turn.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   token
-- ARGV[3]   when to look at parked events again
-- ARGV[4…]  for each customer: customer id, when to wake (0: no sleep), 1 = release what is parked | 0,
--           count and ids of done events, count and ids of parked ones, count and (id, tries) of failed ones
-- Returns   one a customer: 1 SETTLED | 0 LOST: another owner or none, and nothing was changed

local SETTLED, LOST = 1, 0
local at = 3
local function take()
  at = at + 1
  return ARGV[at]
end
local function take_many(width)
  local many = {}
  for i = 1, tonumber(take()) * width do many[i] = take() end
  return many
end

local function park(customer, id)
  local place = redis.call('ZSCORE', mail_of(customer), id)
  if not place then return end
  redis.call('ZREM', mail_of(customer), id)
  redis.call('ZADD', held_of(customer), place, id)
  redis.call('ZADD', PARKED, 'NX', ARGV[3], customer)
  tally('waiting', -1)
  tally('parked', 1)
end

-- A suspect stays one until its mailbox is empty (seat): else each harmless event before a deadly one would
-- clear it, and two more workers would die.
local function forgive(customer)
  local crashes = tonumber(redis.call('HGET', CRASHES, customer) or 0)
  redis.call('HDEL', CRASHES, customer)
  if crashes >= ALONE then redis.call('HSET', CRASHES, customer, ALONE) end
end

local function settle(customer, wake, release, done, parked, failed)
  if redis.call('HGET', OWNERS, customer) ~= ARGV[2] then return LOST end
  free(customer)
  forgive(customer)
  local settled = 0
  for _, id in ipairs(done) do
    if redis.call('ZREM', mail_of(customer), id) == 1 then
      forget(id)
      settled = settled + 1
    end
  end
  tally('waiting', -settled)
  tally('settled', settled)
  for i = 1, #failed, 2 do
    if redis.call('ZSCORE', mail_of(customer), failed[i]) then redis.call('HSET', TRIES, failed[i], failed[i + 1]) end
  end
  for _, id in ipairs(parked) do park(customer, id) end
  if release == '1' then unpark(customer) end
  seat(customer, tonumber(wake))
  return SETTLED
end

local results = {}
while at < #ARGV do
  local customer, wake, release = take(), take(), take()
  results[#results + 1] = settle(customer, wake, release, take_many(1), take_many(1), take_many(2))
end
return results
