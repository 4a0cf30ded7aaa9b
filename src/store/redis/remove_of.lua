-- Removes those records that are this owner's. What is no record is his if his index has its name.
-- KEYS: the owner's index, the records. ARGV: the owner, the records' names. Answers with the names of those removed.

local removed = {}
for i = 2, #KEYS do
  local was_named = redis.call('ZREM', KEYS[1], ARGV[i]) == 1
  local there = read(KEYS[i])
  local owner = there and owner_of(there)
  if owner == ARGV[1] or (owner == nil and was_named) then
    redis.call('DEL', KEYS[i])
    table.insert(removed, ARGV[i])
  end
end
return removed
