-- claim: leases the customers at the head of the line to one worker, with their oldest mail.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   token, used for no other claim
-- ARGV[3]   when the lease ends
-- ARGV[4-6] most customers, most events, most events of one customer
-- ARGV[7]   bytes of values after which nothing is added
-- ARGV[8]   ms for which this claim says that somebody is awake
-- Returns   one a customer: {customer id, crashes, {event id, value, tries or nil, …}}, oldest event first

local token, expires = ARGV[2], ARGV[3]
local customers_limit, events_limit, turn_limit = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local bytes_limit, bytes = tonumber(ARGV[7]), 0

-- Reads a customer's oldest mail; an id whose payload somebody removed by hand leaves the mailbox.
local function open(customer, limit)
  local ids, turn = redis.call('ZRANGE', mail_of(customer), 0, limit - 1), {}
  for _, id in ipairs(ids) do
    local value = redis.call('GET', event_of(id))
    if value then
      turn[#turn + 1], turn[#turn + 2], turn[#turn + 3] = id, value, redis.call('HGET', TRIES, id)
      bytes = bytes + #value
      if bytes >= bytes_limit then break end
    else
      tally('waiting', -redis.call('ZREM', mail_of(customer), id))
    end
  end
  return turn
end

local claimed, events = {}, 0
local line = redis.call('EXISTS', HALTED) == 1 and {} or redis.call('ZRANGE', READY, 0, customers_limit - 1)
for _, customer in ipairs(line) do
  local crashes = tonumber(redis.call('HGET', CRASHES, customer) or 0)
  if events >= events_limit or bytes >= bytes_limit or (crashes >= ALONE and #claimed > 0) then break end
  redis.call('ZREM', READY, customer)
  local turn = open(customer, math.min(turn_limit, events_limit - events))
  if #turn == 0 then
    seat(customer, 0)
  else
    redis.call('ZADD', LEASES, expires, customer)
    redis.call('HSET', OWNERS, customer, token)
    claimed[#claimed + 1], events = {customer, crashes, turn}, events + #turn / 3
  end
  if crashes >= ALONE then break end
end
-- Whoever claims is awake and will claim again; the last one to find nothing says that nobody is (put.lua).
if #claimed > 0 then
  redis.call('HSET', BELL, 'until', now + tonumber(ARGV[8]), 'rings', 0)
elseif redis.call('ZCARD', LEASES) == 0 then
  redis.call('DEL', BELL)
end
return claimed
