-- What the scripts share. A record's value: version (8 bytes), expiry (8), the owner's length (4, all ones for
-- none), the owner, the data. Numbers are big endian.

-- What a key holds: false for nothing, true for something else than text.
local function read(key)
  local there = redis.pcall('GET', key)
  if type(there) ~= 'table' then return there end
  if string.find(there.err, 'WRONGTYPE', 1, true) then return true end
  return redis.call('GET', key) -- fails in its own words
end

-- The owner in a value, false for none; nil for a value that is no record.
local function owner_of(value)
  if type(value) ~= 'string' or #value < 20 then return nil end
  local length = struct.unpack('>I4', value, 17)
  if length == 4294967295 then return false end
  if #value < 20 + length then return nil end
  return string.sub(value, 21, 20 + length)
end

-- Notes a record in its owner's index, a sorted set by expiry in milliseconds, and lets go what expired long ago.
local function note(index, name, expires, now, trim)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now - trim)
  redis.call('ZADD', index, expires, name)
  local last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2]
  redis.call('PEXPIRE', index, string.format('%.0f', math.max(last - now, 0) + trim))
end
