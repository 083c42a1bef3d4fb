-- leave: begins to move customers to another shard: leases them to the move, and returns their mailboxes.
--
-- Until all events of a moving customer are in the new shard, no worker can claim the customer in either shard (layout.py has
-- the steps). The move's lease never ends: if a move is interrupted, the next process that moves mailboxes continues it.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   layout that the caller uses
-- ARGV[3-4] number of events, and bytes of values, after which no further customer is begun; after the bytes, no value is read
-- ARGV[5…]  customer ids
-- Returns   {LAYOUT, the newer layout that the shard knows}, or {how many of the ids were processed, {one per customer that has
--            anything here and that no worker has leased}}:
--            {customer id, ms when its sleep ends or 0, its pause or '', crashes, ms when its parked events are next tried or 0,
--             {id, score, tries or '', value or nil, …} of waiting events, the same of parked events}

local newer = newer_layout(ARGV[2])
if newer then return newer end
local events_limit, bytes_limit = tonumber(ARGV[3]), tonumber(ARGV[4])
local looked, left, events, bytes = 0, {}, 0, 0

-- Returns a mailbox's events; removes an id whose event is gone.
local function show(customer, mailbox, gauge)
  local shown = {}
  local ids = redis.call('ZRANGE', mailbox, 0, -1, 'WITHSCORES')
  for i = 1, #ids, 2 do
    local id = ids[i]
    if redis.call('EXISTS', event_of(id)) == 0 then
      drop_lost(customer, mailbox, id)
      incr_stat(gauge, -1)
    else
      local value = bytes < bytes_limit and redis.call('GET', event_of(id))
      shown[#shown + 1], shown[#shown + 2] = id, ids[i + 1]
      shown[#shown + 1], shown[#shown + 2] = redis.call('HGET', TRIES, id) or '', value or false
      bytes, events = bytes + (value and #value or 0), events + 1
    end
  end
  return shown
end

for i = 5, #ARGV do
  local customer = ARGV[i]
  if events >= events_limit or bytes >= bytes_limit then break end
  looked = looked + 1
  if is_here(customer) and (is_moving(customer) or redis.call('HEXISTS', OWNERS, customer) == 0) then
    local wakes = redis.call('ZSCORE', SLEEPING, customer) or 0
    for _, state in ipairs({READY, SLEEPING, PAUSED}) do redis.call('ZREM', state, customer) end
    redis.call('ZADD', LEASES, NEVER, customer)
    redis.call('HSETNX', OWNERS, customer, MOVE .. wakes)
    left[#left + 1] = {
      customer, string.sub(redis.call('HGET', OWNERS, customer), #MOVE + 1),
      redis.call('HGET', PAUSES, customer) or '', redis.call('HGET', CRASHES, customer) or 0,
      redis.call('ZSCORE', PARKED, customer) or 0,
      show(customer, mail_of(customer), 'waiting'), show(customer, held_of(customer), 'parked'),
    }
  end
end
return {looked, left}
