-- scan: returns the events of some customers, those that have waited longest first. It changes nothing.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   parked | waiting: which of their events
-- ARGV[3]   the position of the first customer to read
-- ARGV[4-6] maximum numbers of customers and events, and bytes of values after which no further customer is read
-- Returns   {customers read, {customer id, event id, value, …}}; all events of a customer are read, up to the maximum number

local is_parked = ARGV[2] == 'parked'
local first, customers_limit = tonumber(ARGV[3]), tonumber(ARGV[4])
local events_limit, bytes_limit = tonumber(ARGV[5]), tonumber(ARGV[6])
local read, bytes, found = 0, 0, {}
for _, customer in ipairs(redis.call('ZRANGE', is_parked and PARKED or SINCE, first, first + customers_limit - 1)) do
  if #found >= 3 * events_limit or bytes >= bytes_limit then break end
  local mailbox = is_parked and held_of(customer) or mail_of(customer)
  for _, id in ipairs(redis.call('ZRANGE', mailbox, 0, events_limit - #found / 3 - 1)) do
    local value = redis.call('GET', event_of(id))
    if value then
      found[#found + 1], found[#found + 2], found[#found + 3] = customer, id, value
      bytes = bytes + #value
    end
  end
  read = read + 1
end
return {read, found}
