-- Forget keys whose value still is, or holds, what was read of it: another request may have been here first.
-- ARGV: for each key: the key, a text that its value contains.
for position = 1, #ARGV, 2 do
  local value = redis.call('GET', ARGV[position])
  if value and value:find(ARGV[position + 1], 1, true) then
    redis.call('DEL', ARGV[position])
  end
end
return 0
