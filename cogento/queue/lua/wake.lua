-- wake: puts customers whose time has come back in line: sleepers, and those with parked events to look at.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   most customers of each kind in one go
-- Returns   how many woke

local sleepers = redis.call('ZRANGEBYSCORE', SLEEPING, '-inf', now, 'LIMIT', 0, ARGV[2])
for _, customer in ipairs(sleepers) do
  redis.call('ZREM', SLEEPING, customer)
  set_state(customer, 0)
end
local due = redis.call('ZRANGEBYSCORE', PARKED, '-inf', now, 'LIMIT', 0, ARGV[2])
for _, customer in ipairs(due) do
  local empty = redis.call('EXISTS', mail_of(customer)) == 0
  -- Where its mailbox was lost, a customer may be leased without having any mail (restore_state).
  if unpark(customer) > 0 and empty then restore_state(customer) end
end
return #sleepers + #due
