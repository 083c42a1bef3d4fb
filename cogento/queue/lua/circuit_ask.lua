-- circuit_ask: tells whether a worker may claim mail while a dependency is away or has just come back.
--
-- A circuit is a hash. `errors`: how many in the window, while all is well. Open: `opened` (since when),
-- `why`, `failures` (openings and failed probes in a row), `probe` (when one worker is to try). Recovering:
-- `recovered` (since when) and `places` (workers let in since). It is closed when the hash has expired.
--
-- KEYS[1]  tag
-- ARGV[1]  now
-- ARGV[2]  dependency
-- ARGV[3]  ms that a probe may take; then another worker makes one
-- ARGV[4]  ms of each step of a recovery: one place in the first, two in the second, four in the third …
-- ARGV[5]  ms after which an open circuit that nobody asks about is forgotten
-- Returns  {1 GO | 2 WAIT | 3 PROBE, when to ask again, failures in a row}

local GO, WAIT, PROBE = 1, 2, 3
local key, step = circuit_of(ARGV[2]), tonumber(ARGV[4])
local opened, probe, recovered, places, failures =
  unpack(redis.call('HMGET', key, 'opened', 'probe', 'recovered', 'places', 'failures'))
failures = tonumber(failures or 0)

if not opened then return {GO, 0, 0} end
if recovered then
  local steps = math.floor((now - recovered) / step)
  if tonumber(places) >= 2 ^ steps then return {WAIT, recovered + (steps + 1) * step, failures} end
  redis.call('HDEL', key, 'probe')
  redis.call('HINCRBY', key, 'places', 1)
  return {GO, 0, failures}
end
if now < tonumber(probe) then return {WAIT, math.min(tonumber(probe), now + step), failures} end
redis.call('HDEL', key, 'probe')
redis.call('HSET', key, 'probe', now + tonumber(ARGV[3]))
redis.call('PEXPIRE', key, ARGV[5])
return {PROBE, 0, failures}
