-- Puts a record in the place of the version that is expected there, or of nothing where that is ''.
-- KEYS: the record, and the index of its owner if it has one.
-- ARGV: the expected version, the value, its time to live in ms; with an index: name, expiry, now, trim.
-- Answers 1 if it is there, 0 if there is a record and should be none or the other way round, else what is there.

local there = redis.call('GET', KEYS[1])
if (ARGV[1] == '') == (there ~= false) then return 0 end
if there and string.sub(there, 1, 8) ~= ARGV[1] then return there end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if KEYS[2] then note(KEYS[2], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])) end
return 1
