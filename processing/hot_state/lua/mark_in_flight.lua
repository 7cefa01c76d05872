#!lua
-- Mark events as in flight. ARGV: head, then each event.
-- A batch's mark ('1') is cleared by the batch's own write, whatever becomes of its events. Any other spares an event
-- that is final, since nobody would clear it, and leaves one that another has marked with that mark, renewed.
local position = 1

local function take(count)
  position = position + count
  return unpack(ARGV, position - count, position - 1)
end

local ttl_s, whose = take(2) -- head
while ARGV[position] do
  local id = take(1) -- event
  local key = 'inflight:' .. id
  if whose == '1' then
    redis.call('SET', key, whose, 'EX', ttl_s)
  elseif redis.call('HEXISTS', 'event:' .. id, 'version') == 0
    and not redis.call('SET', key, whose, 'NX', 'EX', ttl_s) then
    redis.call('EXPIRE', key, ttl_s)
  end
end
