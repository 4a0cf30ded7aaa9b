-- Moves a record's expiry and nothing else.
-- KEYS: the record. ARGV: the expiry as it stands in the value, and the time to live in ms.
-- Answers 0 if there is none, 1 if it has no owner, else the owner.

local there = redis.call('GET', KEYS[1])
if not there then return 0 end
local moved = string.sub(there, 1, 8) .. ARGV[1] .. string.sub(there, 17)
redis.call('SET', KEYS[1], moved, 'PX', ARGV[2])
return owner_of(there) or 1
