-- circuit_ask: tells whether a worker may claim events while a dependency is unreachable or has just come back.
--
-- A circuit is a hash. While it is closed: `errors` (how many in the window). While it is open: `opened` (since when), `why`,
-- `failures` (openings and failed probes in a row), `probe` (when one worker is to probe). While the dependency recovers, also:
-- `recovered` (since when) and `places` (how many workers may claim since). The circuit is closed again when the hash expires.
--
-- KEYS[1]  tag
-- ARGV[1]  now
-- ARGV[2]  dependency
-- ARGV[3]  ms that a probe may take; after that another worker probes
-- ARGV[4]  ms of each step of a recovery: one worker may claim in the first step, two in the second, four in the third …
-- ARGV[5]  ms after which an open circuit is deleted if no worker asks about it
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
