-- Mark events as in flight. ARGV: ttl_s, whose mark it is, then their ids.
-- A batch's mark ('1') is cleared by the batch's own write, whatever becomes of its events. Any other spares an event
-- that is final, since nobody would clear it, and leaves one that another has marked with that mark, renewed.
local ttl, whose = ARGV[1], ARGV[2]
for position = 3, #ARGV do
  local key = 'inflight:' .. ARGV[position]
  if whose == '1' then
    redis.call('SET', key, whose, 'EX', ttl)
  elseif redis.call('HEXISTS', 'event:' .. ARGV[position], 'version') == 0
    and not redis.call('SET', key, whose, 'NX', 'EX', ttl) then
    redis.call('EXPIRE', key, ttl)
  end
end
