-- Mark events as being worked on. ARGV: ttl_s, whose mark it is, then their ids.
-- A final event gets none: nobody would clear it. One that another has marked keeps that mark, renewed.
for position = 3, #ARGV do
  local key = 'inflight:' .. ARGV[position]
  if redis.call('HEXISTS', 'event:' .. ARGV[position], 'version') == 0
    and not redis.call('SET', key, ARGV[2], 'NX', 'EX', ARGV[1]) then
    redis.call('EXPIRE', key, ARGV[1])
  end
end
