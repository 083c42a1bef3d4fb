-- shard: the names and moves that all commands share. Python puts this text before each command's.
--
-- KEYS[1]  the shard's hash tag, "{cogento:0}"; every key of the shard starts with it (cogento/queue/keys.py)
-- ARGV[1]  now: milliseconds of Redis's own clock
--
-- Redis refuses a script's first write when memory is full, unless that write frees memory; later ones
-- pass. So every command that drains begins with a ZREM, HDEL or DEL: draining goes on when nothing fits.

local now = tonumber(ARGV[1])
local tag, READY, LEASES, OWNERS, SLEEPING, PAUSED, PARKED, SINCE, PAUSES, HALTED
local CRASHES, TRIES, BELL, STATS, WORKERS, DELAYS, PACE, LOST, FENCE, LAYOUT

-- From here on, all names are those of this shard.
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
local ALONE = 2 -- this many crashes and the customer is claimed alone: its crash counts for nobody else
local MOVE = 'move/' -- the owner of a customer that moves to another shard: this, and the ms when it wakes (leave.lua)
local NEVER = 253402300799000 -- when the lease of such a one ends
local SECOND = 2097152 -- 2^21 places in one second: created * 2^21 + n stays exact in a double until 2106

local function event_of(id) return tag .. ':event:' .. id end
local function mail_of(customer) return tag .. ':mail:' .. customer end
local function held_of(customer) return tag .. ':held:' .. customer end
local function circuit_of(dependency) return tag .. ':circuit:' .. dependency end
local function aside_of(name) return tag .. ':aside:' .. name end

-- A counter must not fail a command that has nothing else to write (pcall: memory may be full).
local function incr_stat(field, by)
  if by ~= 0 then redis.pcall('HINCRBY', STATS, field, by) end
end

-- Runs a command with many arguments, as many at once as Lua can pass. A call costs more than what it does.
local function chunked_call(command, key, arguments)
  for first = 1, #arguments, MAX_ARGUMENTS do
    redis.call(command, key, unpack(arguments, first, math.min(first + MAX_ARGUMENTS - 1, #arguments)))
  end
end

-- Asks a command about many arguments as `chunked_call` runs one; answers come in their order, false for nothing.
local function chunked_query(command, key, arguments)
  local answers = {}
  for first = 1, #arguments, MAX_ARGUMENTS do
    local last = math.min(first + MAX_ARGUMENTS - 1, #arguments)
    for i, answer in ipairs(redis.call(command, key, unpack(arguments, first, last))) do answers[first + i - 1] = answer end
  end
  return answers
end

-- Values of a hash, in the order of `fields`; {} of an empty hash, which most are nearly always.
local function fields_of(hash, fields)
  if #fields == 0 or redis.call('HLEN', hash) == 0 then return {} end
  return chunked_query('HMGET', hash, fields)
end

-- The event at the head of a mailbox, or nil.
local function head_of(customer) return redis.call('ZRANGE', mail_of(customer), 0, 0)[1] end

-- When an event was received, in ms: out of its value's header (codec.py), if that is what stands there (pcall).
local function received_of(id) return tonumber(redis.pcall('GETRANGE', event_of(id), 2, 14)) or now end

-- Gives a customer with mail its state: paused, sleeping or ready.
local function add_to_state(customer, wake_ms)
  if redis.call('HEXISTS', PAUSES, customer) == 1 then
    redis.call('ZADD', PAUSED, now, customer)
  elseif wake_ms > now then
    redis.call('ZADD', SLEEPING, wake_ms, customer)
  else
    redis.call('ZADD', READY, now, customer)
  end
end

-- Gives a customer that is in no state the one its mail asks for: none, paused, sleeping or ready.
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

-- Forgets events that have left their mailbox, and returns how many bytes they were.
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

-- Moves all parked events back to their places; the caller calls restore_state for a customer whose mailbox was empty.
local function unpark(customer)
  redis.call('ZREM', PARKED, customer)
  local held = redis.call('ZRANGE', held_of(customer), 0, -1, 'WITHSCORES')
  redis.call('DEL', held_of(customer))
  for i = 1, #held, 2 do redis.call('ZADD', mail_of(customer), held[i + 1], held[i]) end
  incr_stat('parked', -#held / 2)
  incr_stat('waiting', #held / 2)
  return #held / 2
end

-- The last place that is taken in the second which begins at `first`, or the one before that second.
local function last_place(key, first)
  local top = redis.call('ZREVRANGEBYSCORE', key, first + SECOND - 1, first, 'WITHSCORES', 'LIMIT', 0, 1)[2]
  return tonumber(top) or first - 1
end

-- Whether the states list as many customers as `since` does: not so once any of these keys was lost. `is_quiet` says that
-- nobody sleeps or is paused.
local function is_in_step(is_quiet)
  local states = redis.call('ZCARD', READY) + redis.call('ZCARD', LEASES)
  if not is_quiet then states = states + redis.call('ZCARD', SLEEPING) + redis.call('ZCARD', PAUSED) end
  return states == redis.call('ZCARD', SINCE)
end

-- Gives a customer with mail what it has lost of its state and of `since`. Returns 1 if anything was missing.
local function restore_state(customer)
  local missing = 0
  if not redis.call('ZSCORE', SINCE, customer) then
    redis.call('ZADD', SINCE, received_of(head_of(customer)), customer)
    missing = 1
  end
  for _, state in ipairs({READY, LEASES, SLEEPING, PAUSED}) do
    if redis.call('ZSCORE', state, customer) then return missing end
  end
  if redis.call('HEXISTS', OWNERS, customer) == 1 then return missing end -- its lease is given back by inspect.lua
  add_to_state(customer, 0)
  return 1
end

-- Whether an event is in its customer's mailbox, waiting or parked; makes sure that it is looked at there.
local function is_in_mailbox(id, customer)
  if redis.call('ZSCORE', mail_of(customer), id) then
    incr_stat('repaired', restore_state(customer))
    return true
  end
  if not redis.call('ZSCORE', held_of(customer), id) then return false end
  incr_stat('repaired', redis.call('ZADD', PARKED, 'NX', now, customer))
  return true
end

-- What a command answers that goes by an older layout than the shard knows, else nil; a newer one is noted (layout.py). So
-- whoever has not heard of a change neither puts nor pauses anything where it would not be looked for.
local function newer_layout(layout)
  local known = redis.call('GET', LAYOUT)
  if known == layout then return nil end
  local last = tonumber(string.match(known or '', '^%d+')) or 0
  if last > tonumber(string.match(layout, '^%d+')) then return {'LAYOUT', known} end
  redis.pcall('SET', LAYOUT, layout)
  if redis.call('GET', LAYOUT) ~= layout then return redis.error_reply('OOM the layout of the shards cannot be noted') end
  return nil
end

-- Whether anything of a customer is in this shard. Of those whose mail moves away nothing comes back once it is not.
local function is_here(customer)
  if redis.call('EXISTS', mail_of(customer), held_of(customer)) > 0 then return true end
  return redis.call('HEXISTS', PAUSES, customer) + redis.call('HEXISTS', OWNERS, customer) > 0
end

-- Where Redis lost the owners the lease tells: no other lasts for ever.
local function is_moving(customer)
  local owner = redis.call('HGET', OWNERS, customer)
  if owner then return string.sub(owner, 1, #MOVE) == MOVE end
  return tonumber(redis.call('ZSCORE', LEASES, customer) or 0) == NEVER
end

-- Takes an id out of a mailbox whose event is there no more, and notes it for people (inspection.py).
local MAX_NOTED = 1000
local function drop_lost(customer, mailbox, id)
  redis.call('ZREM', mailbox, id)
  redis.call('HDEL', TRIES, id)
  incr_stat('lost', 1)
  if redis.call('HLEN', LOST) < MAX_NOTED then redis.pcall('HSET', LOST, id, customer) end
end

-- Runs a command for each shard, with its number and where its arguments begin and end; before them stands how many they are. What fails of
-- one shard is its answer, and the others have theirs.
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
