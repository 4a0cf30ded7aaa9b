-- Removes a record if it is this owner's. KEYS: the record, the owner's index. ARGV: the owner, the record's name.
-- Answers whether it was.

redis.call('ZREM', KEYS[2], ARGV[2])
local there = redis.call('GET', KEYS[1])
if not there or owner_of(there) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
