-- put: adds envelopes to their customers' mailboxes; an event that is there already is not added again.
--
-- KEYS[1…]  tags of shards
-- ARGV[1]   now
-- ARGV[2…]  for each shard: the number of its arguments, then these arguments:
--             layout that the caller uses
--             home | former: a former shard accepts no events of a customer that has nothing in it
--             maximum numbers of events of one customer, of events in all, of bytes in all
--             ms from one wake-up to the next, and the maximum to which unanswered wake-ups lengthen this time
--             four per envelope: event id, customer id, created (Unix seconds), value (codec.py)
-- Returns   one per shard: {LAYOUT, the newer layout that the shard knows}, and the shard stores nothing; or
--            {1 = wake a worker | 0, then one per envelope:
--            1 QUEUED | 2 DUPLICATE | 3 FULL | 4 ELSEWHERE | the stored value, if its content differs
--            | {the stored value}, if its content differs and it is not in this customer's mailbox}
--            or the error of this shard, while the envelopes of other shards are stored;
--            or, for all shards, the error EVICTS, and nothing is stored: the server's configuration was changed, and a server
--            whose memory is full would delete waiting events. A periodic check would find this only after some were lost.

local QUEUED, DUPLICATE, FULL, ELSEWHERE, HEADER = 1, 2, 3, 4, 15
-- The shard that is being put into: ARGV[first] to ARGV[last] are its envelopes.
local first, last, is_home, customer_limit, total_limit, byte_limit
local stats, total, bytes, added
local is_all_quiet

-- Counts the waiting and parked events of each customer. Nearly all customers have none, which `since` shows in one call.
-- Where keys were lost, `since` does not prove it: such a customer is `uncertain`, and may or may not have a state.
local waiting, parked, uncertain, has_parked_or_pauses
local function count()
  local customers, is_whole = {}, is_in_step(is_all_quiet)
  for i = first + 1, last, 4 do customers[#customers + 1] = ARGV[i] end
  local is_any_parked = has_parked_or_pauses and redis.call('EXISTS', PARKED) == 1
  for i, has_mail in ipairs(chunked_query('ZMSCORE', SINCE, customers)) do
    local customer = customers[i]
    if not waiting[customer] then
      waiting[customer] = (has_mail or not is_whole) and redis.call('ZCARD', mail_of(customer)) or 0
      uncertain[customer] = not is_whole or (has_mail and waiting[customer] == 0)
      parked[customer] = is_any_parked and redis.call('ZCARD', held_of(customer)) or 0
    end
  end
end

-- Stores all values in one call. Returns false, and stores nothing, if the envelopes must be put one by one: a limit would
-- be exceeded, or an event is stored already or is given twice.
local function store_together()
  local values, size, events, seen = {}, 0, {}, {}
  for i = first, last, 4 do
    local id, customer, value = ARGV[i], ARGV[i + 1], ARGV[i + 3]
    events[customer] = (events[customer] or waiting[customer] + parked[customer]) + 1
    if seen[id] or events[customer] > customer_limit then return false end
    seen[id], size = true, size + #value
    values[#values + 1], values[#values + 2] = event_of(id), value
  end
  if #values > MAX_ARGUMENTS or total + #values / 2 > total_limit or bytes + size > byte_limit then return false end
  return redis.pcall('MSETNX', unpack(values)) == 1
end

-- Returns the code for an event that is not inserted: it is stored already, or exceeds a limit. Returns nil if it is stored but
-- in no mailbox, because an earlier put failed half way or the mailbox was lost: the caller then inserts it. If the content
-- differs, only the stored body tells which customer the stored event belongs to (enqueue.py).
local fresh -- customers that get their state at the end of this put
local function reject(id, customer, value, why)
  local stored = redis.call('GET', event_of(id))
  if stored then
    local is_same = string.sub(stored, HEADER + 1) == string.sub(value, HEADER + 1)
    local is_fresh = fresh[customer] and redis.call('ZSCORE', mail_of(customer), id)
    if is_fresh or is_in_mailbox(id, customer) then return is_same and DUPLICATE or stored end
    uncertain[customer] = true
    if is_same then return nil end
    return {stored}
  end
  if why and not string.find(why, 'OOM', 1, true) then error(why) end
  return FULL
end

-- Stores one value. Returns nil, or the code for an event that is not inserted.
local function store(id, customer, value)
  if waiting[customer] + parked[customer] >= customer_limit or total >= total_limit or bytes + #value > byte_limit then
    return reject(id, customer, value)
  end
  local set = redis.pcall('SET', event_of(id), value, 'NX')
  if not set or set.err then return reject(id, customer, value, set and set.err) end
end

-- The score after that of the last event, waiting or parked, of the same second: events of one second are in order of arrival.
local function score_for(customer, created)
  local first = created * SECOND
  local last = first - 1
  if waiting[customer] > 0 then last = last_place(mail_of(customer), first) end
  if parked[customer] > 0 then last = math.max(last, last_place(held_of(customer), first)) end
  return math.min(last + 1, first + SECOND - 1)
end

local new_customers, since, uncertain_customers
local function insert(id, customer, created, value)
  redis.call('ZADD', mail_of(customer), score_for(customer, created), id)
  total, bytes, added.bytes = total + 1, bytes + #value, added.bytes + #value
  waiting[customer] = waiting[customer] + 1
  if uncertain[customer] then
    uncertain_customers[#uncertain_customers + 1] = customer
  elseif waiting[customer] == 1 then -- a customer that had events has its state already
    new_customers[#new_customers + 1], fresh[customer] = customer, true
    since[#since + 1], since[#since + 2] = tonumber(string.sub(value, 3, HEADER)) or now, customer
  end
end

-- Sets the state of customers that had no waiting events, as `set_state` would one by one.
local function set_state_of_new()
  local paused, ready = has_parked_or_pauses and fields_of(PAUSES, new_customers) or {}, {}
  for i, customer in ipairs(new_customers) do
    if paused[i] then redis.call('ZADD', PAUSED, now, customer) else
      ready[#ready + 1], ready[#ready + 2] = now, customer
    end
  end
  chunked_call('ZADD', SINCE, since)
  chunked_call('ZADD', READY, ready)
  for _, customer in ipairs(uncertain_customers) do incr_stat('repaired', restore_state(customer)) end
end

-- Whether a worker must be woken. Scripts run one after the other, so an event is put either before a worker's claim, which
-- then returns it, or after a claim that found nothing and deleted `until` (claim.lua), so that this put asks for a wake-up.
-- While a worker is awake no wake-up is needed: a claim that finds events is always followed by another. If a wake-up is lost,
-- or a worker crashes while awake, the next put after the window asks again, and every worker's own poll, twice a second,
-- finds the events meanwhile. Each unanswered wake-up doubles the window; else they would pile up while no worker runs.
local function needs_wakeup()
  if added[QUEUED] == 0 then return 0 end
  local rung = redis.call('HMGET', BELL, 'until', 'rings')
  if now < tonumber(rung[1] or 0) then return 0 end
  if redis.call('EXISTS', HALTED) == 1 or redis.call('ZCARD', READY) == 0 then return 0 end
  local window = math.min(tonumber(ARGV[first - 2]) * 2 ^ tonumber(rung[2] or 0), tonumber(ARGV[first - 1]))
  redis.call('HSET', BELL, 'until', now + window, 'rings', tonumber(rung[2] or 0) + 1)
  return 1
end

local function nothing_fits()
  local results = {0}
  for _ = first, last, 4 do results[#results + 1] = FULL end
  return results
end

local function put()
  count()
  local is_stored = is_home and store_together()
  local results = {0}
  for i = first, last, 4 do
    local id, customer, value = ARGV[i], ARGV[i + 1], ARGV[i + 3]
    if is_home or is_here(customer) then
      local refused = not is_stored and store(id, customer, value)
      if not refused then insert(id, customer, tonumber(ARGV[i + 2]), value) end
      results[#results + 1] = refused or QUEUED
      local kind = refused and (type(refused) == 'number' and refused or DUPLICATE) or QUEUED
      added[kind] = added[kind] + 1
    else
      results[#results + 1] = ELSEWHERE
    end
  end
  set_state_of_new()
  if added[QUEUED] > 0 then -- pcall: as in `incr_stat`
    local waits, size, accepted = stats[1] + added[QUEUED], stats[3] + added.bytes, stats[4] + added[QUEUED]
    redis.pcall('HSET', STATS, 'waiting', waits, 'bytes', size, 'accepted', accepted)
  end
  incr_stat('duplicates', added[DUPLICATE])
  incr_stat('full', added[FULL])
  results[1] = needs_wakeup()
  return results
end

-- Reads the arguments and gauges of a shard before anything is put into it.
local function begin(at, to)
  first, last, is_home = at + 7, to, ARGV[at + 1] == 'home'
  customer_limit, total_limit, byte_limit = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  stats = redis.call('HMGET', STATS, 'waiting', 'parked', 'bytes', 'accepted')
  for i = 1, 4 do stats[i] = tonumber(stats[i]) or 0 end
  total, bytes, added = stats[1] + stats[2], stats[3], {[QUEUED] = 0, [DUPLICATE] = 0, [FULL] = 0, bytes = 0}
  waiting, parked, uncertain, fresh, new_customers, since, uncertain_customers = {}, {}, {}, {}, {}, {}, {}
  has_parked_or_pauses = not is_all_quiet and redis.call('EXISTS', PARKED, PAUSES) > 0
end

local memory = redis.pcall('INFO', 'memory')
local is_safe = type(memory) ~= 'string' or string.find(memory, 'maxmemory_policy:noeviction', 1, true)
local policy = not is_safe and string.match(memory, 'maxmemory_policy:(%S+)')
if policy then return redis.error_reply('EVICTS maxmemory-policy is ' .. policy) end

-- Read for all shards at once, because a Redis call costs more than the work that it does: the layout that each shard knows,
-- and whether any shard has parked events, pauses or sleeping customers.
local known, seldom = {}, {}
for i, shard in ipairs(KEYS) do
  turn_to(shard)
  known[i] = LAYOUT
  seldom[#seldom + 1], seldom[#seldom + 2], seldom[#seldom + 3], seldom[#seldom + 4] = PARKED, PAUSES, SLEEPING, PAUSED
end
known = redis.call('MGET', unpack(known))
is_all_quiet = redis.call('EXISTS', unpack(seldom)) == 0

return of_each_shard(function(i, at, to)
  local newer = known[i] ~= ARGV[at] and newer_layout(ARGV[at])
  if newer and not newer.err then return newer end
  begin(at, to)
  return newer and nothing_fits() or put()
end)
