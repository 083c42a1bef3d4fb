-- moving: lets a process move mailboxes alone for some time longer, or ends that time; only if it is the one that may move them.
--
-- KEYS[1]   tag of the first shard
-- ARGV[1]   now
-- ARGV[2]   token of the process
-- ARGV[3]   ms from now; 0 ends the time
-- Returns   1 | 0: its time is over, and another process may move mailboxes

local MOVING = tag .. ':moving'
if redis.call('GET', MOVING) ~= ARGV[2] then return 0 end
return redis.call('PEXPIRE', MOVING, ARGV[3])
