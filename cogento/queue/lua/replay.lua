-- replay: lets a customer's events be tried again now: parked events become waiting ones, and the customer's sleep ends.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   customer id
-- Returns   1 if anything changed, else 0

local customer = ARGV[2]
local slept = redis.call('ZREM', SLEEPING, customer) == 1
local empty = redis.call('EXISTS', mail_of(customer)) == 0
local returned = unpark(customer)
if slept then set_state(customer, 0) elseif empty and returned > 0 then restore_state(customer) end
return (slept or returned > 0) and 1 or 0
