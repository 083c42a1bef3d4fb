-- pause: holds one customer's mail, or all, until resumed. A batch under way ends as usual.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   customer id, or empty for everything
-- ARGV[3]   layout that the caller goes by
-- ARGV[4]   home | former: a former shard does not pause a customer that has nothing in it
-- ARGV[5]   who pauses it and why (pauses.py)
-- Returns   {LAYOUT, the newer one that the shard knows} | -1 ELSEWHERE, or 1 if it was not paused before, else 0, and the
--           earlier pause stays as it was

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
