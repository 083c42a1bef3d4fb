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
local function place(customer, created)
  local first, last = created * SECOND, -1
  for _, key in ipairs({mail_of(customer), held_of(customer)}) do
    local top = redis.call('ZREVRANGEBYSCORE', key, string.format('%.0f', first + SECOND - 1),
      string.format('%.0f', first), 'WITHSCORES', 'LIMIT', 0, 1)[2]
    last = math.max(last, (tonumber(top) or first - 1) - first)
  end
  return string.format('%.0f', first + math.min(last + 1, SECOND - 1))
end

local function put(id, customer, created, value)
  local stored = redis.call('GET', event_of(id))
  if stored then
    if string.sub(stored, HEADER + 1) == string.sub(value, HEADER + 1) then return DUPLICATE end
    return stored
  end
  local waiting = redis.call('ZCARD', mail_of(customer))
  local all = waiting + redis.call('ZCARD', held_of(customer))
  if all >= customer_limit or total >= total_limit or bytes + #value > byte_limit then return FULL end
  local set = redis.pcall('SET', event_of(id), value)
  if set.err and string.find(set.err, 'OOM', 1, true) then return FULL end
  if set.err then error(set.err) end
  redis.call('ZADD', mail_of(customer), place(customer, created), id)
  total, bytes, added.bytes = total + 1, bytes + #value, added.bytes + #value
  if waiting == 0 then seat(customer, 0) end -- with mail it has its state already
  return QUEUED
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
tally('waiting', added[QUEUED])
tally('bytes', added.bytes)
tally('accepted', added[QUEUED])
tally('duplicates', added[DUPLICATE])
tally('full', added[FULL])
results[1] = ring()
return results
