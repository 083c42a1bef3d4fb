-- relayout: writes the layout of all shards into the first shard, unless another process has changed it meanwhile.
--
-- KEYS[1]   tag of the first shard
-- ARGV[1]   now
-- ARGV[2]   the layout that the caller expects there, or empty for none
-- ARGV[3]   the layout to write
-- ARGV[4]   the pause of everything that the caller expects there, or empty for none; left out where any will do
-- Returns   the layout that is there now; nil if there is none and memory is full

local is_expected = not ARGV[4] or (redis.call('GET', HALTED) or '') == ARGV[4]
if is_expected and (redis.call('GET', LAYOUT) or '') == ARGV[2] then redis.pcall('SET', LAYOUT, ARGV[3]) end
return redis.call('GET', LAYOUT)
