-- forgo: gives back whatever was claimed under tokens whose claim never reached its worker.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2…]  tokens
-- Returns   how many customers are back in line

local forgone = {}
for i = 2, #ARGV do forgone[ARGV[i]] = true end
local owners, released = redis.call('HGETALL', OWNERS), 0
for i = 1, #owners, 2 do
  if forgone[owners[i + 1]] then
    free(owners[i])
    seat(owners[i], 0)
    released = released + 1
  end
end
return released
