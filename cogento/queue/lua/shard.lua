-- shard: the key names and functions that all scripts share. Python puts this text before the text of each script.
--
-- KEYS[1]  the shard's hash tag, "{cogento:0}"; every key of the shard starts with it (cogento/queue/keys.py)
-- ARGV[1]  now: milliseconds of Redis's own clock
--
-- When memory is full, Redis refuses the first write of a script, unless that write frees memory; it accepts the later ones.
-- So each script that workers need to empty mailboxes writes first with ZREM, HDEL or DEL: workers continue when memory is full.

local now = tonumber(ARGV[1])
local tag, READY, LEASES, OWNERS, SLEEPING, PAUSED, PARKED, SINCE, PAUSES, HALTED
local CRASHES, TRIES, BELL, STATS, WORKERS, DELAYS, PACE, LOST, FENCE, LAYOUT

-- Sets all key names to those of one shard.
local function turn_to(shard)
  tag = shard
  READY, LEASES, OWNERS = tag .. ':ready', tag .. ':leases', tag .. ':owners'
  SLEEPING, PAUSED, PARKED = tag .. ':sleeping', tag .. ':paused', tag .. ':parked'
  SINCE, PAUSES, HALTED = tag .. ':since', tag .. ':pauses', tag .. ':halted'
  CRASHES, TRIES, BELL, STATS = tag .. ':crashes', tag .. ':tries', tag .. ':bell', tag .. ':stats'
  WORKERS, DELAYS, PACE, LOST = tag .. ':workers', tag .. ':delays', tag .. ':pace', tag .. ':lost'
  FENCE, LAYOUT = tag .. ':fence', tag .. ':layout'
end
turn_to(KEYS[1])

local MAX_ARGUMENTS = 4000 -- arguments that Lua can pass at once, and an even number
local ALONE = 2 -- a customer with this many crashes is claimed alone: its next crash is then counted for no other customer
local MOVE = 'move/' -- the owner of a customer that moves to another shard: this and the ms when its sleep ends (leave.lua)
local NEVER = 253402300799000 -- when the lease of a customer that moves to another shard ends
local SECOND = 2097152 -- 2^21 scores in one second: created * 2^21 + n stays exact in a double until 2106

local function event_of(id) return tag .. ':event:' .. id end
local function mail_of(customer) return tag .. ':mail:' .. customer end
local function held_of(customer) return tag .. ':held:' .. customer end
local function circuit_of(dependency) return tag .. ':circuit:' .. dependency end
local function aside_of(name) return tag .. ':aside:' .. name end

-- pcall: when memory is full, a counter that is the first write of a script must not make the script fail.
local function incr_stat(field, by)
  if by ~= 0 then redis.pcall('HINCRBY', STATS, field, by) end
end

-- Runs a command with many arguments, as many in one call as Lua can pass: a call costs more than the work that it does.
local function chunked_call(command, key, arguments)
  for first = 1, #arguments, MAX_ARGUMENTS do
    redis.call(command, key, unpack(arguments, first, math.min(first + MAX_ARGUMENTS - 1, #arguments)))
  end
end

-- As `chunked_call`, for a command that returns one answer per argument. Returns the answers in order, false for none.
local function chunked_query(command, key, arguments)
  local answers = {}
  for first = 1, #arguments, MAX_ARGUMENTS do
    local last = math.min(first + MAX_ARGUMENTS - 1, #arguments)
    for i, answer in ipairs(redis.call(command, key, unpack(arguments, first, last))) do answers[first + i - 1] = answer end
  end
  return answers
end

-- Returns the values of a hash, in the order of `fields`; {} if the hash is empty, as most hashes are nearly always.
local function fields_of(hash, fields)
  if #fields == 0 or redis.call('HLEN', hash) == 0 then return {} end
  return chunked_query('HMGET', hash, fields)
end

-- The event at the head of a mailbox, or nil.
local function head_of(customer) return redis.call('ZRANGE', mail_of(customer), 0, 0)[1] end

-- When an event was received, in ms, from its value's header (codec.py); now, if the value has no such header (hence pcall).
local function received_of(id) return tonumber(redis.pcall('GETRANGE', event_of(id), 2, 14)) or now end

-- Sets the state of a customer with waiting events: paused, sleeping or ready.
local function add_to_state(customer, wake_ms)
  if redis.call('HEXISTS', PAUSES, customer) == 1 then
    redis.call('ZADD', PAUSED, now, customer)
  elseif wake_ms > now then
    redis.call('ZADD', SLEEPING, wake_ms, customer)
  else
    redis.call('ZADD', READY, now, customer)
  end
end

-- Sets the state of a customer that has none: paused, sleeping or ready if it has waiting events, else still none.
local function set_state(customer, wake_ms)
  local head = head_of(customer)
  if not head then
    redis.call('ZREM', SINCE, customer)
    redis.call('HDEL', CRASHES, customer)
    return
  end
  redis.call('ZADD', SINCE, received_of(head), customer)
  add_to_state(customer, wake_ms)
end

-- Ends a lease; the caller sets the customer's state.
local function release_lease(customer)
  redis.call('ZREM', LEASES, customer)
  redis.call('HDEL', OWNERS, customer)
end

-- Deletes events that are not in a mailbox any more, and returns their size in bytes.
local function delete_events(ids)
  local keys, bytes = {}, 0
  for i, id in ipairs(ids) do
    keys[i] = event_of(id)
    bytes = bytes + redis.call('STRLEN', keys[i])
  end
  for first = 1, #keys, MAX_ARGUMENTS do
    redis.call('DEL', unpack(keys, first, math.min(first + MAX_ARGUMENTS - 1, #keys)))
  end
  return bytes
end

-- Moves all parked events back to the waiting ones, with the same scores. Returns how many. If the customer had no waiting
-- events, the caller calls `restore_state` next.
local function unpark(customer)
  redis.call('ZREM', PARKED, customer)
  local held = redis.call('ZRANGE', held_of(customer), 0, -1, 'WITHSCORES')
  redis.call('DEL', held_of(customer))
  for i = 1, #held, 2 do redis.call('ZADD', mail_of(customer), held[i + 1], held[i]) end
  incr_stat('parked', -#held / 2)
  incr_stat('waiting', #held / 2)
  return #held / 2
end

-- The highest score in use in the second that begins at `first`, or the score just before that second.
local function last_place(key, first)
  local top = redis.call('ZREVRANGEBYSCORE', key, first + SECOND - 1, first, 'WITHSCORES', 'LIMIT', 0, 1)[2]
  return tonumber(top) or first - 1
end

-- Whether the states list as many customers as `since` does; they do not if one of these keys was lost. `is_quiet`: no customer
-- sleeps or is paused.
local function is_in_step(is_quiet)
  local states = redis.call('ZCARD', READY) + redis.call('ZCARD', LEASES)
  if not is_quiet then states = states + redis.call('ZCARD', SLEEPING) + redis.call('ZCARD', PAUSED) end
  return states == redis.call('ZCARD', SINCE)
end

-- Restores the state and the entry in `since` of a customer with waiting events. Returns 1 if either was missing, else 0.
local function restore_state(customer)
  local missing = 0
  if not redis.call('ZSCORE', SINCE, customer) then
    redis.call('ZADD', SINCE, received_of(head_of(customer)), customer)
    missing = 1
  end
  for _, state in ipairs({READY, LEASES, SLEEPING, PAUSED}) do
    if redis.call('ZSCORE', state, customer) then return missing end
  end
  if redis.call('HEXISTS', OWNERS, customer) == 1 then return missing end -- inspect.lua restores its lease
  add_to_state(customer, 0)
  return 1
end

-- Whether an event is in its customer's mailbox, waiting or parked. If it is, restores the customer's state where it was lost.
local function is_in_mailbox(id, customer)
  if redis.call('ZSCORE', mail_of(customer), id) then
    incr_stat('repaired', restore_state(customer))
    return true
  end
  if not redis.call('ZSCORE', held_of(customer), id) then return false end
  incr_stat('repaired', redis.call('ZADD', PARKED, 'NX', now, customer))
  return true
end

-- The reply to a command with an older layout than the one that the shard knows, else nil; a newer layout is stored (layout.py).
-- So a process that does not know of a change neither puts nor pauses anything in a shard that other processes no longer read.
local function newer_layout(layout)
  local known = redis.call('GET', LAYOUT)
  if known == layout then return nil end
  local last = tonumber(string.match(known or '', '^%d+')) or 0
  if last > tonumber(string.match(layout, '^%d+')) then return {'LAYOUT', known} end
  redis.pcall('SET', LAYOUT, layout)
  if redis.call('GET', LAYOUT) ~= layout then return redis.error_reply('OOM the layout of the shards cannot be noted') end
  return nil
end

-- Whether anything of a customer is in this shard. Once a customer has moved away, nothing of it is stored here again.
local function is_here(customer)
  if redis.call('EXISTS', mail_of(customer), held_of(customer)) > 0 then return true end
  return redis.call('HEXISTS', PAUSES, customer) + redis.call('HEXISTS', OWNERS, customer) > 0
end

-- Whether a customer moves to another shard. If Redis lost the owners, the lease's end shows it: only a move's lease never ends.
local function is_moving(customer)
  local owner = redis.call('HGET', OWNERS, customer)
  if owner then return string.sub(owner, 1, #MOVE) == MOVE end
  return tonumber(redis.call('ZSCORE', LEASES, customer) or 0) == NEVER
end

-- Removes an id whose event is gone from a mailbox, and records it in LOST, to be logged (inspection.py).
local MAX_NOTED = 1000
local function drop_lost(customer, mailbox, id)
  redis.call('ZREM', mailbox, id)
  redis.call('HDEL', TRIES, id)
  incr_stat('lost', 1)
  if redis.call('HLEN', LOST) < MAX_NOTED then redis.pcall('HSET', LOST, id, customer) end
end

-- Runs `command` for each shard, with the shard's number and the indexes of its first and last argument; before the first one is
-- their count. An error on one shard becomes the answer of that shard only.
local function of_each_shard(command)
  local answers, at = {}, 2
  for i, shard in ipairs(KEYS) do
    turn_to(shard)
    local to = at + tonumber(ARGV[at])
    local is_done, answer = pcall(command, i, at + 1, to)
    answers[i] = is_done and answer or {err = type(answer) == 'table' and answer.err or 'ERR ' .. tostring(answer)}
    at = to + 1
  end
  return answers
end
