-- resume: ends a pause; the customer's mail joins the line.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   customer id, or empty for everything
-- Returns   1 if it was paused, else 0

local customer = ARGV[2]
if customer == '' then return redis.call('DEL', HALTED) end
local ended = redis.call('HDEL', PAUSES, customer)
if redis.call('ZREM', PAUSED, customer) == 1 then set_state(customer, 0) end
return ended
