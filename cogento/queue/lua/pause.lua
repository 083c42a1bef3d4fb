-- pause: keeps one customer's events, or all events, waiting until they are resumed. A claimed batch is processed as usual.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   customer id, or empty for all customers
-- ARGV[3]   layout that the caller uses
-- ARGV[4]   home | former: a former shard does not pause a customer that has nothing in it
-- ARGV[5]   who pauses it and why (pauses.py)
-- Returns   {LAYOUT, the newer layout that the shard knows} | -1 ELSEWHERE | 1 if there was no pause before | 0 if there was
--            one: the earlier pause is unchanged

local newer = newer_layout(ARGV[3])
if newer then return newer end
local ELSEWHERE = -1
local customer, pause = ARGV[2], ARGV[1] .. ' ' .. ARGV[5]
if customer == '' then return redis.call('SETNX', HALTED, pause) end
if ARGV[4] == 'former' and not is_here(customer) then return ELSEWHERE end
local waiting = redis.call('ZREM', READY, customer) + redis.call('ZREM', SLEEPING, customer)
local began = redis.call('HSETNX', PAUSES, customer, pause)
if waiting == 1 then set_state(customer, 0) end
return began
