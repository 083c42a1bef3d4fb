-- events: returns stored events by id.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   bytes of values after which no further value is read
-- ARGV[3…]  event ids
-- Returns   one per event: its value, or nil if it is gone or the values before it reached the limit

local bytes_limit, bytes, values = tonumber(ARGV[2]), 0, {}
for i = 3, #ARGV do
  local value = bytes < bytes_limit and redis.call('GET', event_of(ARGV[i]))
  values[#values + 1] = value or false
  bytes = bytes + (value and #value or 0)
end
return values
