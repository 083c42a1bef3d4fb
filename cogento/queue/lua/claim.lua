-- claim: leases the customers that have been ready longest to one worker, and returns their oldest events.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   layout that the caller uses
-- ARGV[3]   token, used for no other claim
-- ARGV[4]   when the lease ends
-- ARGV[5-7] maximum numbers of customers, of events, and of events of one customer
-- ARGV[8]   bytes of values after which no further event is returned
-- ARGV[9]   ms for which, at least, this claim makes wake-ups unnecessary
-- ARGV[10-11] ms for which the worker lingers before its next claim: for each event, and at most (retries.py)
-- Returns   {LAYOUT, the newer layout that the shard knows}, and no customer is leased; or one per customer:
--            {customer id, crashes, {event id, value, tries or nil, …}}, oldest event first

local newer = newer_layout(ARGV[2])
if newer and newer[1] == 'LAYOUT' then return newer end -- if a newer layout cannot be stored, events are claimed nevertheless
local token, expires = ARGV[3], ARGV[4]
local customers_limit, events_limit, batch_limit = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local bytes_limit, bytes = tonumber(ARGV[8]), 0
local TOGETHER = 8 -- values read in one call; at most this many are read beyond `bytes_limit` and not returned
local is_any_tried = redis.call('EXISTS', TRIES) == 1

-- Returns a customer's oldest events; removes an id whose event is gone from the mailbox.
local function open(customer, limit)
  local ids, batch = redis.call('ZRANGE', mail_of(customer), 0, limit - 1), {}
  local tries = is_any_tried and fields_of(TRIES, ids) or {}
  for first = 1, #ids, TOGETHER do
    local keys = {}
    for i = first, math.min(first + TOGETHER - 1, #ids) do keys[#keys + 1] = event_of(ids[i]) end
    for i, value in ipairs(redis.call('MGET', unpack(keys))) do
      local id = ids[first + i - 1]
      if value then
        batch[#batch + 1], batch[#batch + 2], batch[#batch + 3] = id, value, tries[first + i - 1] or false
        bytes = bytes + #value
        if bytes >= bytes_limit then return batch end
      else
        drop_lost(customer, mail_of(customer), id)
        incr_stat('waiting', -1)
      end
    end
  end
  return batch
end

local claimed, events = {}, 0
local taken, leases, owners = {}, {}, {}
local line = redis.call('EXISTS', HALTED) == 1 and {} or redis.call('ZRANGE', READY, 0, customers_limit - 1)
local crashes_of = fields_of(CRASHES, line)
for i, customer in ipairs(line) do
  local crashes = tonumber(crashes_of[i] or 0)
  if events >= events_limit or bytes >= bytes_limit or (crashes >= ALONE and #claimed > 0) then break end
  local batch = open(customer, math.min(batch_limit, events_limit - events))
  if #batch == 0 then
    redis.call('ZREM', READY, customer)
    set_state(customer, 0)
  else
    taken[#taken + 1] = customer
    leases[#leases + 1], leases[#leases + 2] = expires, customer
    owners[#owners + 1], owners[#owners + 2] = customer, token
    claimed[#claimed + 1], events = {customer, crashes, batch}, events + #batch / 3
  end
  if crashes >= ALONE then break end
end
chunked_call('ZREM', READY, taken)
chunked_call('ZADD', LEASES, leases)
chunked_call('HSET', OWNERS, owners)
-- A worker whose claim returned events will claim again, so no wake-up is needed until then. A claim that finds no events while
-- no customer is leased deletes BELL: no worker is awake (put.lua). The time includes the linger twice, because a wake-up
-- would not shorten it, and processing the batch takes about as long.
local linger = math.min(events * tonumber(ARGV[10]), tonumber(ARGV[11]))
if #claimed > 0 then
  redis.call('HSET', BELL, 'until', now + math.max(tonumber(ARGV[9]), 2 * linger), 'rings', 0)
elseif redis.call('ZCARD', LEASES) == 0 then
  redis.call('DEL', BELL)
end
return claimed
