-- wake: lets customers be claimed again whose sleep has ended, or whose parked events are to be tried again.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   maximum number of customers of each kind
-- Returns   how many customers of both kinds there were

local sleepers = redis.call('ZRANGEBYSCORE', SLEEPING, '-inf', now, 'LIMIT', 0, ARGV[2])
for _, customer in ipairs(sleepers) do
  redis.call('ZREM', SLEEPING, customer)
  set_state(customer, 0)
end
local due = redis.call('ZRANGEBYSCORE', PARKED, '-inf', now, 'LIMIT', 0, ARGV[2])
for _, customer in ipairs(due) do
  local empty = redis.call('EXISTS', mail_of(customer)) == 0
  -- If its mailbox was lost, a customer may be leased without having any events (restore_state).
  if unpark(customer) > 0 and empty then restore_state(customer) end
end
return #sleepers + #due
