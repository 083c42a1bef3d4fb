-- here: tells which customers have anything in this shard; the shard has stored the layout before it replies.
--
-- KEYS[1]   tag
-- ARGV[1]   now
-- ARGV[2]   layout that the caller uses
-- ARGV[3…]  customer ids
-- Returns   {LAYOUT, the newer layout that the shard knows}, or one per customer: 1 | 0

local newer = newer_layout(ARGV[2])
if newer then return newer end
local answers = {}
for i = 3, #ARGV do answers[#answers + 1] = is_here(ARGV[i]) and 1 or 0 end
return answers
