-- relayout: writes the layout of all shards into the first shard, unless another process has changed it meanwhile.
--
-- KEYS[1]   tag of the first shard
-- ARGV[1]   now
-- ARGV[2]   the layout that the caller expects there, or empty for none
-- ARGV[3]   the layout to write
-- Returns   the layout that is there now; nil if there is none and memory is full

if (redis.call('GET', LAYOUT) or '') == ARGV[2] then redis.pcall('SET', LAYOUT, ARGV[3]) end
return redis.call('GET', LAYOUT)
