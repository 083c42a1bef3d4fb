-- relayout: writes down the layout of all shards in the first one, if nobody else has changed it meanwhile.
--
-- KEYS[1]   tag of the first shard
-- ARGV[1]   now
-- ARGV[2]   what it was, as far as the caller knows, or empty for none
-- ARGV[3]   what it shall be
-- Returns   what it is now; nil where nothing is there and memory is full

if (redis.call('GET', LAYOUT) or '') == ARGV[2] then redis.pcall('SET', LAYOUT, ARGV[3]) end
return redis.call('GET', LAYOUT)
