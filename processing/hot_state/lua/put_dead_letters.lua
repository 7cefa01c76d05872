#!lua
-- Put dlq:list back, a part in each call: the parts are staged under another key, and the last one puts all in place,
-- unless the list is there by then. ARGV: head, then ids. `staged` parts came before, as so many ids.
-- Returns 1, or 0 if those are gone meanwhile.
local arguments, position = cmsgpack.unpack(ARGV[1]), 1

local function take(count)
  position = position + count
  return unpack(arguments, position - count, position - 1)
end

local function skip(count) -- the first and the last of so many, which may be more than `unpack` can return
  position = position + count
  return position - count, position - 1
end

local ttl_s, stage, stage_ttl_s, staged, is_last, count = take(6) -- head
local from, to = skip(tonumber(count)) -- ids
if redis.call('LLEN', stage) ~= tonumber(staged) then
  return 0
end
for first = from, to, 1000 do
  redis.call('RPUSH', stage, unpack(arguments, first, math.min(first + 999, to)))
end
redis.call('EXPIRE', stage, stage_ttl_s)
if is_last == '1' then
  if redis.call('RENAMENX', stage, 'dlq:list') == 0 then
    redis.call('DEL', stage)
  end
  redis.call('EXPIRE', 'dlq:list', ttl_s)
end
return 1
