#!lua flags=allow-oom
-- Take marks of `mark_in_flight` back; another's mark stays. ARGV: head (whose marks they are), then each event.
local position = 1

local function take(count)
  position = position + count
  return unpack(ARGV, position - count, position - 1)
end

local whose = take(1) -- head
while ARGV[position] do
  local id = take(1) -- event
  local key = 'inflight:' .. id
  if redis.call('GET', key) == whose then
    redis.call('DEL', key)
  end
end
