-- view: returns one customer's mailbox, to be shown to people.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   customer id
-- ARGV[3]   maximum number of waiting events, and of parked events
-- Returns   {name, value or nil, …}:
--            ready, leased, sleeping, paused: ms since which it is ready or paused, or until which it is leased or sleeps
--            pause: its value (pauses.py); parked_look: ms when parked events are next tried; crashes; owner: token
--            waiting_total, parked_total: how many events; waiting, parked: the first of them, each as
--            {id, score, tries | nil, header of its value}

local customer, view = ARGV[2], {}
local function add(name, value) view[#view + 1], view[#view + 2] = name, value end

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

add('ready', redis.call('ZSCORE', READY, customer))
add('leased', redis.call('ZSCORE', LEASES, customer))
add('sleeping', redis.call('ZSCORE', SLEEPING, customer))
add('paused', redis.call('ZSCORE', PAUSED, customer))
add('pause', redis.call('HGET', PAUSES, customer))
add('parked_look', redis.call('ZSCORE', PARKED, customer))
add('crashes', redis.call('HGET', CRASHES, customer))
add('owner', redis.call('HGET', OWNERS, customer))
add('waiting_total', redis.call('ZCARD', mail_of(customer)))
add('parked_total', redis.call('ZCARD', held_of(customer)))
add('waiting', list(mail_of(customer)))
add('parked', list(held_of(customer)))
return view
