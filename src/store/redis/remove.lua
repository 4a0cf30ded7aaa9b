-- Removes a record. KEYS: the record. Answers 0 if there was none, else its owner, or 1 for nobody's.

local there = read(KEYS[1])
if redis.call('DEL', KEYS[1]) == 0 then return 0 end
return owner_of(there) or 1
