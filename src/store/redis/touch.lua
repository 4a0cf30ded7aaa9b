-- Moves the expiry of the version that was seen, and nothing else.
-- KEYS: the record. ARGV: the version and the expiry as they stand in the value, and the time to live in ms.
-- Answers 0 if there is none, 2 if it has another version; when it is done 1 if the record has no owner, else the owner.

local there = redis.call('GET', KEYS[1])
if not there then return 0 end
if string.sub(there, 1, 8) ~= ARGV[1] then return 2 end
local moved = ARGV[1] .. ARGV[2] .. string.sub(there, 17)
redis.call('SET', KEYS[1], moved, 'PX', ARGV[3])
return owner_of(there) or 1
