-- look: one customer's mailbox as it is, for people.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   customer id
-- ARGV[3]   most events of each kind
-- Returns   {ms since when ready | nil, ms when the lease ends | nil, ms when it wakes | nil, ms since when paused
--            with mail | nil, ms since when pausing is wanted | nil, ms of the next look at parked events | nil,
--            crashes | nil, how many wait, how many are parked, {waiting event}, {parked event}, token | false},
--            an event as id, place, tries | nil, header of its value

local customer = ARGV[2]
local function list(key)
  local listed = {}
  local found = redis.call('ZRANGE', key, 0, tonumber(ARGV[3]) - 1, 'WITHSCORES')
  for i = 1, #found, 2 do
    local id = found[i]
    listed[#listed + 1] = {
      id, found[i + 1], redis.call('HGET', TRIES, id), redis.call('GETRANGE', event_of(id), 0, 14),
    }
  end
  return listed
end

local view = {}
for i, state in ipairs({READY, LEASES, SLEEPING, PAUSED}) do view[i] = redis.call('ZSCORE', state, customer) end
view[5] = redis.call('HGET', PAUSES, customer)
view[6] = redis.call('ZSCORE', PARKED, customer)
view[7] = redis.call('HGET', CRASHES, customer)
view[8] = redis.call('ZCARD', mail_of(customer))
view[9] = redis.call('ZCARD', held_of(customer))
view[10], view[11] = list(mail_of(customer)), list(held_of(customer))
view[12] = redis.call('HGET', OWNERS, customer)
return view
