-- put: puts envelopes into their customers' mailboxes, each event once.
--
-- KEYS[1…]  tags of shards
-- ARGV[1]   now
-- ARGV[2…]  for each shard: how many arguments it has, and these:
--             layout that the caller goes by
--             home | former: a former shard takes no mail of a customer that has nothing in it
--             most events of one customer, most events in all, most bytes in all
--             ms after a wake-up before the next one, and the most to which unanswered ones lengthen that
--             four an envelope: event id, customer id, created (Unix seconds), value (codec.py)
-- Returns   one a shard: {LAYOUT, the newer one that the shard knows}, and the shard stores nothing; or
--            {1 = wake a worker | 0, then one an envelope:
--            1 QUEUED | 2 DUPLICATE | 3 FULL | 4 ELSEWHERE | the stored value, where its content differs
--            | {the stored value}, where its content differs and it is not in this customer's mailbox}
--            or the error of this shard, while the others' envelopes are stored;
--            or the error EVICTS, and nothing is stored: the server's configuration was changed, and a full server
--            would make room by throwing waiting events away. A check now and then would notice only after some were lost.

local QUEUED, DUPLICATE, FULL, ELSEWHERE, HEADER = 1, 2, 3, 4, 15
-- Puts into one shard: ARGV[first] to ARGV[last] are its envelopes.
local first, last, is_home, customer_limit, total_limit, byte_limit
local stats, total, bytes, added
local is_all_quiet

-- How many events of each customer wait and are parked. Nearly all have none, and `since` shows that in one call.
-- Where keys were lost, that is not certain: such a customer may have a state or not.
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

-- Stores all values in one call. False, and nothing is stored, where the envelopes must be put one by one: something
-- does not fit, or is there already, or comes twice.
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

-- The answer for an event that is not inserted: it is there already, or nothing more fits. Nil where it is stored but
-- in no mailbox, because a put failed half way or its mailbox was lost: then it is inserted. Where the content differs,
-- only the stored body says which customer it belongs to (enqueue.py).
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

-- Stores one value; nil, or else the answer for an event that is not inserted.
local function store(id, customer, value)
  if waiting[customer] + parked[customer] >= customer_limit or total >= total_limit or bytes + #value > byte_limit then
    return reject(id, customer, value)
  end
  local set = redis.pcall('SET', event_of(id), value, 'NX')
  if not set or set.err then return reject(id, customer, value, set and set.err) end
end

-- The place after the last event, waiting or parked, of the same second: arrival orders a second.
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
  elseif waiting[customer] == 1 then -- with mail it has its state already
    new_customers[#new_customers + 1], fresh[customer] = customer, true
    since[#since + 1], since[#since + 2] = tonumber(string.sub(value, 3, HEADER)) or now, customer
  end
end

-- Gives customers that had no mail their state, as `set_state` would one by one.
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

-- Whether a worker must be woken. Scripts run one after the other, so an event is put either before a worker's claim,
-- which then takes it, or after one that found nothing, which cleared `until` (claim.lua), so that we ask for a wake-up.
-- While a worker is awake none is needed: a claim that finds events is always followed by another. A lost wake-up,
-- or a worker that dies awake, costs at most the window; then every worker's own poll, twice a second, finds the
-- events. Each unanswered wake-up doubles the window, or wake-ups would pile up while no worker runs.
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
  if added[QUEUED] > 0 then -- pcall: as `incr_stat`
    local waits, size, accepted = stats[1] + added[QUEUED], stats[3] + added.bytes, stats[4] + added[QUEUED]
    redis.pcall('HSET', STATS, 'waiting', waits, 'bytes', size, 'accepted', accepted)
  end
  incr_stat('duplicates', added[DUPLICATE])
  incr_stat('full', added[FULL])
  results[1] = needs_wakeup()
  return results
end

-- Notes what the shard has before anything is put into it.
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

-- Asked about all shards at once, because a call costs more than its work: which layouts they know, and whether any has
-- parked events, pauses or customers that sleep.
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
