-- Forget keys whose value still is, or holds, what was read of it: another request may have been here first.
-- ARGV: the keys, each with a text that its value contains.
-- No `#!lua` here: it only deletes, which a full server allows.
local position = 1

local function take(count)
  position = position + count
  return unpack(ARGV, position - count, position - 1)
end

while ARGV[position] do
  local key, text = take(2) -- key
  local value = redis.call('GET', key)
  if value and value:find(text, 1, true) then
    redis.call('DEL', key)
  end
end
return 0
