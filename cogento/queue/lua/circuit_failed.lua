-- circuit_failed: counts a worker's failure to reach a dependency, and opens the circuit after enough of them.
--
-- While the dependency recovers, one failure of work that began during the recovery opens it; earlier work does not count.
--
-- KEYS[1]  tag
-- ARGV[1]  now
-- ARGV[2]  dependency
-- ARGV[3]  when the work that failed began
-- ARGV[4]  how many errors open the circuit
-- ARGV[5]  ms within which these errors are counted
-- ARGV[6]  when to probe, if this failure opens the circuit
-- ARGV[7]  ms after which an open circuit is deleted if no worker asks about it
-- ARGV[8]  why
-- Returns  1 if this failure opened the circuit, else 0

local key = circuit_of(ARGV[2])
local opened, recovered = unpack(redis.call('HMGET', key, 'opened', 'recovered'))
if opened and (not recovered or tonumber(ARGV[3]) < tonumber(recovered)) then return 0 end

redis.call('HDEL', key, 'recovered', 'places')
if not opened then
  local errors = redis.call('HINCRBY', key, 'errors', 1)
  if errors == 1 then redis.call('PEXPIRE', key, ARGV[5]) end
  if errors < tonumber(ARGV[4]) then return 0 end
  redis.call('HSET', key, 'opened', now)
end
redis.call('HSET', key, 'probe', ARGV[6], 'why', ARGV[8])
redis.call('HINCRBY', key, 'failures', 1)
redis.call('PEXPIRE', key, ARGV[7])
return 1
