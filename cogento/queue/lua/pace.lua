-- pace: tells when the next request to Stripe may be sent, for all processes together.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   maximum number of requests per second
-- ARGV[3]   reserve (a process wants to send a request) | slow_down (Stripe answered "too many") | block (Stripe refused the API key)
-- ARGV[4]   with slow_down and block: ms for which no process may send
-- Returns   {ms to wait before sending, ms for which the key is known to be refused}

local RECOVERY_SECONDS = 60
local SPACING = 1.05 -- requests arrive some ms early or late: slightly wider spacing keeps each second within the limit
local most, what, hold = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local kept = redis.call('HMGET', PACE, 'free', 'rate', 'since', 'shut')
local free, shut = tonumber(kept[1] or 0), tonumber(kept[4] or 0)
local slowed, since = tonumber(kept[2] or most), tonumber(kept[3] or 0)

-- Requests are spaced evenly; a rate that was halved rises again gradually.
local function rate()
  return math.min(most, slowed + most * (now - since) / 1000 / RECOVERY_SECONDS)
end

local function set(...) redis.call('HSET', PACE, ...) end

if what == 'block' then set('shut', math.max(shut, now + hold)) end
if what == 'slow_down' then
  -- Other requests reach the same limit within the second; the rate is halved once for all of them.
  if now - since > 1000 then set('rate', math.max(1, rate() / 2), 'since', now) end
  set('free', string.format('%.3f', math.max(free, now + hold)))
end
if what ~= 'reserve' then return {0, 0} end
if shut > now then return {0, shut - now} end
local at = math.max(now, free)
set('free', string.format('%.3f', at + SPACING * 1000 / rate()))
return {math.ceil(at - now), 0}
