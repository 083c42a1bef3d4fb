-- remove: deletes one event by its id, for an operator; never while a worker has leased the customer.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2-3] customer id, event id
-- Returns   1 REMOVED | 0 ABSENT | 2 LEASED: a worker has leased the customer, try again

local REMOVED, ABSENT, LEASED = 1, 0, 2
local customer, id = ARGV[2], ARGV[3]
if redis.call('HEXISTS', OWNERS, customer) == 1 then return LEASED end
if redis.call('ZREM', mail_of(customer), id) == 1 then
  incr_stat('waiting', -1)
  if redis.call('EXISTS', mail_of(customer)) == 0 then
    for _, state in ipairs({READY, SLEEPING, PAUSED}) do redis.call('ZREM', state, customer) end
    set_state(customer, 0)
  end
elseif redis.call('ZREM', held_of(customer), id) == 1 then
  incr_stat('parked', -1)
  if redis.call('EXISTS', held_of(customer)) == 0 then redis.call('ZREM', PARKED, customer) end
else
  return ABSENT
end
incr_stat('bytes', -delete_events({id}))
redis.call('HDEL', TRIES, id)
incr_stat('removed', 1)
return REMOVED
