-- pause: holds one customer's mail, or all, until resumed. A batch under way ends as usual.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   customer id, or empty for everything
-- ARGV[3]   who pauses it and why (pauses.py)
-- Returns   1 if it was not paused before, else 0, and what was noted of that pause stays

local customer, pause = ARGV[2], ARGV[1] .. ' ' .. ARGV[3]
if customer == '' then return redis.call('SETNX', HALTED, pause) end
local waiting = redis.call('ZREM', READY, customer) + redis.call('ZREM', SLEEPING, customer)
local began = redis.call('HSETNX', PAUSES, customer, pause)
if waiting == 1 then set_state(customer, 0) end
return began
