-- unregister: deletes the heartbeat of a worker that stops; its slot is then free.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   worker
-- Returns   1 if there was a heartbeat, else 0

local noted = redis.call('HGETALL', WORKERS)
for i = 1, #noted, 2 do
  if string.match(noted[i + 1], '^%d+ (%S+) ') == ARGV[2] then return redis.call('HDEL', WORKERS, noted[i]) end
end
return 0
