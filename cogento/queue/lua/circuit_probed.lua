-- circuit_probed: records the result of a probe; the worker whose probe succeeded is the first that may claim (`places`).
--
-- KEYS[1]  tag
-- ARGV[1]  now
-- ARGV[2]  dependency
-- ARGV[3]  when to probe again, or 0: the dependency answered
-- ARGV[4]  ms after which the circuit is deleted: if it is open and no worker asks about it, or because it has recovered
-- ARGV[5]  why, if the probe failed
-- Returns  1, or 0 if the circuit is not open any more, and nothing was changed

local key = circuit_of(ARGV[2])
local opened, recovered = unpack(redis.call('HMGET', key, 'opened', 'recovered'))
if not opened or recovered then return 0 end

redis.call('HDEL', key, 'probe')
if ARGV[3] == '0' then
  redis.call('HSET', key, 'recovered', now, 'places', 1)
else
  redis.call('HSET', key, 'probe', ARGV[3], 'why', ARGV[5])
  redis.call('HINCRBY', key, 'failures', 1)
end
redis.call('PEXPIRE', key, ARGV[4])
return 1
