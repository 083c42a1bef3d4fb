-- resume: ends a pause; the customer's events can be claimed again.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   customer id, or empty for all customers
-- ARGV[3]   layout that the caller uses
-- ARGV[4]   home | former: as for pause.lua
-- Returns   {LAYOUT, the newer layout that the shard knows} | -1 ELSEWHERE | 1 if there was a pause | 0

local newer = newer_layout(ARGV[3])
if newer then return newer end
local ELSEWHERE = -1
local customer = ARGV[2]
if customer == '' then return redis.call('DEL', HALTED) end
if ARGV[4] == 'former' and not is_here(customer) then return ELSEWHERE end
local ended = redis.call('HDEL', PAUSES, customer)
if redis.call('ZREM', PAUSED, customer) == 1 then set_state(customer, 0) end
return ended
