-- here: tells which customers have anything in this shard; when it answers, the shard has noted the layout.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   layout that the caller goes by
-- ARGV[3…]  customer ids
-- Returns   {LAYOUT, the newer one that the shard knows}, or one a customer: 1 | 0

local newer = newer_layout(ARGV[2])
if newer then return newer end
local answers = {}
for i = 3, #ARGV do answers[#answers + 1] = is_here(ARGV[i]) and 1 or 0 end
return answers
