-- waiting: lists customers with waiting or parked events, by state, to be shown to people. It changes nothing.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   maximum number of customers of one state
-- ARGV[3]   customer id, to list this one alone, or empty
-- ARGV[4…]  states to list: paused | retrying | in_progress | queued | waiting_for_customer
-- Returns   {halted: its value or nil, {state, customers, …} of every state, rows}. A row is {state, customer id,
--            its score there or nil, received_ms of its first event or nil, events, id of the first, id and tries of the
--            first that failed, crashes, owner, value of its pause}, each nil where there is none
--
-- `paused` also has customers without events, after those with events: `pauses` lists both.

local STATES = {
  {'paused', PAUSED}, {'retrying', SLEEPING}, {'in_progress', LEASES}, {'queued', READY}, {'waiting_for_customer', PARKED},
}
local LOOKED_AT, SCANS, SCANNED = 10, 10, 1000 -- events per customer; scans of `pauses`, and entries per scan
local limit, only = tonumber(ARGV[2]), ARGV[3]
local is_any_tried = redis.call('EXISTS', TRIES) == 1
local wanted = {}
for i = 4, #ARGV do wanted[ARGV[i]] = true end

-- Customers that an operator paused and that have no waiting events; the other states are read from their own lists.
local function paused_without_mail(most)
  local found, seen, cursor = {}, {}, '0' -- a scan may return a customer twice
  for _ = 1, SCANS do
    local part = redis.call('HSCAN', PAUSES, cursor, 'COUNT', SCANNED)
    local customers = {}
    for i = 1, #part[2], 2 do customers[#customers + 1] = part[2][i] end
    for i, has_mail in ipairs(chunked_query('ZMSCORE', SINCE, customers)) do
      local customer = customers[i]
      if #found < most and not has_mail and not seen[customer] then found[#found + 1], seen[customer] = customer, true end
    end
    cursor = part[1]
    if cursor == '0' or #found >= most then break end
  end
  return found
end

local function customers_of(state, key)
  if only == '' then
    local customers = redis.call('ZRANGE', key, 0, limit - 1)
    if state == 'paused' and #customers < limit then
      for _, customer in ipairs(paused_without_mail(limit - #customers)) do customers[#customers + 1] = customer end
    end
    return customers
  end
  local is_quiet = state == 'paused' and redis.call('HEXISTS', PAUSES, only) == 1 and not redis.call('ZSCORE', SINCE, only)
  return (is_quiet or redis.call('ZSCORE', key, only)) and {only} or {}
end

local function failed_of(ids)
  local tries = is_any_tried and #ids > 0 and redis.call('HMGET', TRIES, unpack(ids)) or {}
  for i, id in ipairs(ids) do
    if tries[i] then return id, tries[i] end
  end
  return false, false
end

local counts, rows = {}, {}
for _, pair in ipairs(STATES) do
  local state, key = unpack(pair)
  local count = redis.call('ZCARD', key)
  if state == 'paused' then count = math.max(count, redis.call('HLEN', PAUSES)) end
  counts[#counts + 1], counts[#counts + 2] = state, count
  local customers = wanted[state] and customers_of(state, key) or {}
  local scores, since = chunked_query('ZMSCORE', key, customers), chunked_query('ZMSCORE', SINCE, customers)
  local owners, crashes, pauses = fields_of(OWNERS, customers), fields_of(CRASHES, customers), fields_of(PAUSES, customers)
  for i, customer in ipairs(customers) do
    local mailbox = state == 'waiting_for_customer' and held_of(customer) or mail_of(customer)
    local ids = redis.call('ZRANGE', mailbox, 0, LOOKED_AT - 1)
    local received = since[i]
    if state == 'waiting_for_customer' then received = ids[1] and tostring(received_of(ids[1])) end
    local failed, tries = failed_of(ids)
    rows[#rows + 1] = {
      state, customer, scores[i], received or false, #ids < LOOKED_AT and #ids or redis.call('ZCARD', mailbox),
      ids[1] or false, failed, tries,
      crashes[i] or false, owners[i] or false, pauses[i] or false,
    }
  end
end
return {redis.call('GET', HALTED), counts, rows}
