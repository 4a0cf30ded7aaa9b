-- Lets go of names in an owner's index whose records are gone or have another owner.
-- KEYS: the index, the records. ARGV: the owner, the records' names.
-- Answers with those that stay because what is there is no record: nobody can say whose it is.

local stale, foreign = {}, {}
for i = 2, #KEYS do
  local there = read(KEYS[i])
  local owner = there and owner_of(there)
  if owner == nil then
    table.insert(foreign, ARGV[i])
  elseif owner ~= ARGV[1] then
    table.insert(stale, ARGV[i])
  end
end
if #stale > 0 then redis.call('ZREM', KEYS[1], unpack(stale)) end
return foreign
