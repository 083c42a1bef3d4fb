-- restore: adds stored events that are in no mailbox to their customers' mailboxes.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   layout that the caller uses
-- ARGV[3]   home | former: a former shard restores no events of a customer that has nothing else in it
-- ARGV[4…]  four per event: id, customer id, created (Unix seconds), header of the value that the caller read (codec.py)
-- Returns   {LAYOUT, the newer layout that the shard knows}, or
--           one per event: 1 RESTORED | 0 it is in its mailbox, has another value by now, is gone, or belongs to another shard

local newer = newer_layout(ARGV[2])
if newer then return newer end
local RESTORED, HEADER = 1, 15
local is_home = ARGV[3] == 'home'
local results = {}
for i = 4, #ARGV, 4 do
  local id, customer, first = ARGV[i], ARGV[i + 1], ARGV[i + 2] * SECOND
  local is_it = redis.call('GETRANGE', event_of(id), 0, HEADER - 1) == ARGV[i + 3]
  results[#results + 1] = 0
  if is_it and (is_home or is_here(customer)) and not is_in_mailbox(id, customer) then
    local last = math.max(last_place(mail_of(customer), first), last_place(held_of(customer), first))
    redis.call('ZADD', mail_of(customer), math.min(last + 1, first + SECOND - 1), id)
    restore_state(customer)
    results[#results] = RESTORED
    incr_stat('repaired', 1)
  end
end
return results
