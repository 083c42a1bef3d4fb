-- put: lays envelopes into their customers' mailboxes, each event once.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2-4] most events of one customer, most events in all, most bytes in all
-- ARGV[5-6] ms after a ring before the next one, and the most that unanswered rings stretch it to
-- ARGV[7…]  four an envelope: event id, customer id, created (Unix seconds), value (codec.py)
-- Returns   {1 = ring the doorbell | 0, then one an envelope:
--            1 QUEUED | 2 DUPLICATE | 3 FULL | the stored value, where it has another content}

local QUEUED, DUPLICATE, FULL, HEADER = 1, 2, 3, 15
local SECOND = 2097152 -- 2^21 places in one second: created * 2^21 + n stays exact in a double until 2106
local customer_limit, total_limit, byte_limit = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local gauges = redis.call('HMGET', STATS, 'waiting', 'parked', 'bytes')
local total, bytes = (gauges[1] or 0) + (gauges[2] or 0), tonumber(gauges[3] or 0)
local added = {[QUEUED] = 0, [DUPLICATE] = 0, [FULL] = 0, bytes = 0}

-- The place after the last event, waiting or parked, of the same second: arrival orders a second.
local function place(customer, created, waiting, held)
  local first, last = created * SECOND, -1
  if waiting + held == 0 then return string.format('%.0f', first) end
  for key, count in pairs({[mail_of(customer)] = waiting, [held_of(customer)] = held}) do
    local top = count > 0 and redis.call('ZREVRANGEBYSCORE', key, string.format('%.0f', first + SECOND - 1),
      string.format('%.0f', first), 'WITHSCORES', 'LIMIT', 0, 1)[2]
    last = math.max(last, (tonumber(top) or first - 1) - first)
  end
  return string.format('%.0f', first + math.min(last + 1, SECOND - 1))
end

-- What is said of an event that is not laid: it is there already, or nothing more fits.
local function turn_down(id, value, why)
  local stored = redis.call('GET', event_of(id))
  if stored then
    if string.sub(stored, HEADER + 1) == string.sub(value, HEADER + 1) then return DUPLICATE end
    return stored
  end
  if why and not string.find(why, 'OOM', 1, true) then error(why) end
  return FULL
end

local newcomers, since = {}, {}
local is_any_held = redis.call('EXISTS', PARKED) == 1

local function put(id, customer, created, value)
  local waiting = redis.call('ZCARD', mail_of(customer))
  local held = is_any_held and redis.call('ZCARD', held_of(customer)) or 0
  if waiting + held >= customer_limit or total >= total_limit or bytes + #value > byte_limit then
    return turn_down(id, value)
  end
  local set = redis.pcall('SET', event_of(id), value, 'NX')
  if not set or set.err then return turn_down(id, value, set and set.err) end
  redis.call('ZADD', mail_of(customer), place(customer, created, waiting, held), id)
  total, bytes, added.bytes = total + 1, bytes + #value, added.bytes + #value
  if waiting == 0 then -- with mail it has its state already
    newcomers[#newcomers + 1] = customer
    since[#since + 1], since[#since + 2] = tonumber(string.sub(value, 3, HEADER)) or now, customer
  end
  return QUEUED
end

-- Gives those who had no mail their state, as `seat` would one by one.
local function seat_newcomers()
  local paused, ready = fields_of(PAUSES, newcomers), {}
  for i, customer in ipairs(newcomers) do
    if paused[i] then redis.call('ZADD', PAUSED, now, customer) else
      ready[#ready + 1], ready[#ready + 2] = now, customer
    end
  end
  spread('ZADD', SINCE, since)
  spread('ZADD', READY, ready)
end

-- The doorbell. Scripts run one after the other, so mail is laid either before a worker's claim, which
-- then takes it, or after one that found nothing, which cleared `until` (claim.lua), so that we ring. While
-- somebody is awake no ring is needed: a claim that finds mail is always followed by another. A ring that
-- is lost, or a worker that dies awake, costs at most the window, and then every worker's own look once a
-- second finds the mail. Each unanswered ring doubles the window, or rings would pile up with no worker.
local function ring()
  local bell = redis.call('HMGET', BELL, 'until', 'rings')
  if added[QUEUED] == 0 or now < tonumber(bell[1] or 0) then return 0 end
  if redis.call('EXISTS', HALTED) == 1 or redis.call('ZCARD', READY) == 0 then return 0 end
  local window = math.min(tonumber(ARGV[5]) * 2 ^ tonumber(bell[2] or 0), tonumber(ARGV[6]))
  redis.call('HSET', BELL, 'until', now + window, 'rings', tonumber(bell[2] or 0) + 1)
  return 1
end

local results = {0}
for i = 7, #ARGV, 4 do
  local result = put(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3])
  results[#results + 1] = result
  local kind = type(result) == 'string' and DUPLICATE or result
  added[kind] = added[kind] + 1
end
seat_newcomers()
tally('waiting', added[QUEUED])
tally('bytes', added.bytes)
tally('accepted', added[QUEUED])
tally('duplicates', added[DUPLICATE])
tally('full', added[FULL])
results[1] = ring()
return results
