-- Forget keys whose value still is, or holds, what was read of it: another request may have been here first.
-- ARGV: the keys, each with a text that its value contains, and what to put there instead ('': the key is deleted).
-- No `#!lua` here: mostly it deletes, which a full server allows.
local arguments, position = cmsgpack.unpack(ARGV[1]), 1

local function take(count)
  position = position + count
  return unpack(arguments, position - count, position - 1)
end

while arguments[position] do
  local key, text, instead = take(3) -- key
  local value = redis.call('GET', key)
  local from, to
  if value then
    from, to = value:find(text, 1, true)
  end
  if from and instead == '' then
    redis.call('DEL', key)
  elseif from then
    redis.call('SET', key, value:sub(1, from - 1) .. instead .. value:sub(to + 1), 'KEEPTTL')
  end
end
return 0
