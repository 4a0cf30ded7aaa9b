-- Lets go of a name in an owner's index whose record is gone or has another owner. The same words as `remove_of`,
-- but a record that is the owner's stays.

local there = redis.call('GET', KEYS[1])
if there and owner_of(there) == ARGV[1] then return 0 end
return redis.call('ZREM', KEYS[2], ARGV[2])
