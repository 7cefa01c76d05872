#!lua
-- Put order lists back whole, each unless a newer one is there. ARGV: head, then each list, and its seqs.
local arguments, position = cmsgpack.unpack(ARGV[1]), 1

local function take(count)
  position = position + count
  return unpack(arguments, position - count, position - 1)
end

local function skip(count) -- the first and the last of so many, which may be more than `unpack` can return
  position = position + count
  return position - count, position - 1
end

local ttl_s = take(1) -- head
while arguments[position] do
  local user_id, version, count = take(3) -- list
  local from, to = skip(tonumber(count)) -- seqs
  local list, version_key = 'order:' .. user_id, 'order-version:' .. user_id
  if redis.call('EXISTS', list) == 0 or tonumber(redis.call('GET', version_key) or 0) < tonumber(version) then
    redis.call('DEL', list)
    for first = from, to, 1000 do
      redis.call('RPUSH', list, unpack(arguments, first, math.min(first + 999, to)))
    end
    redis.call('EXPIRE', list, ttl_s)
    redis.call('SET', version_key, version, 'EX', ttl_s)
  end
end
