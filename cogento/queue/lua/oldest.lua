-- oldest: tells which customers have waited longest for a worker, and when the oldest event of a paused customer was received.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   maximum number of customers
-- Returns   {received_ms of the oldest event at the head of a paused mailbox or nil, then for customers that are not paused:
--            customer id, received_ms of the event at the head of its mailbox, …}, the longest wait first
--
-- `since` lists paused customers too. If there are too many of them to read, each result is the oldest among the first
-- customers of its state.

local MAX_LOOKED_AT, AT_ONCE, FIRST_OF_STATE = 2000, 100, 1000
local limit, paused_customers = tonumber(ARGV[2]), redis.call('ZCARD', PAUSED)

-- Returns received_ms of the oldest event of a state's first customers, and the event's customer.
local function oldest_of(state)
  local oldest, whose
  local customers = redis.call('ZRANGE', state, 0, FIRST_OF_STATE - 1)
  for i, received in ipairs(chunked_query('ZMSCORE', SINCE, customers)) do
    if received and (not oldest or tonumber(received) < tonumber(oldest)) then oldest, whose = received, customers[i] end
  end
  return oldest, whose
end

if redis.call('EXISTS', HALTED) == 1 then
  return {redis.call('ZRANGE', SINCE, 0, 0, 'WITHSCORES')[2] or false}
end
local held, waiting, is_all = false, {}, false
for first = 0, MAX_LOOKED_AT - 1, AT_ONCE do
  local found, customers = redis.call('ZRANGE', SINCE, first, first + AT_ONCE - 1, 'WITHSCORES'), {}
  for i = 1, #found, 2 do customers[#customers + 1] = found[i] end
  local paused = paused_customers > 0 and chunked_query('ZMSCORE', PAUSED, customers) or {}
  for i, customer in ipairs(customers) do
    if paused[i] then
      held = held or found[2 * i]
    elseif #waiting < 2 * limit then
      waiting[#waiting + 1], waiting[#waiting + 2] = customer, found[2 * i]
    end
  end
  is_all = #customers < AT_ONCE
  if is_all or #waiting == 2 * limit then break end
end
if paused_customers > 0 then held = held or oldest_of(PAUSED) or false end
if #waiting == 0 and not is_all then
  for _, state in ipairs({READY, LEASES, SLEEPING}) do
    local received, customer = oldest_of(state)
    if received and (not waiting[2] or tonumber(received) < tonumber(waiting[2])) then waiting = {customer, received} end
  end
end
return {held, unpack(waiting)}
