-- ready: tells whether a claim could find events: of customers that are ready, or that recover.lua or wake.lua would make ready.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- Returns   1 | 0

if redis.call('EXISTS', HALTED) == 1 then return 0 end
if redis.call('ZCARD', READY) > 0 then return 1 end
for _, due in ipairs({LEASES, SLEEPING, PARKED}) do
  if redis.call('ZCOUNT', due, '-inf', now) > 0 then return 1 end
end
return 0
