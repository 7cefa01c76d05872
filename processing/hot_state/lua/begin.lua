-- Mark events as being worked on. ARGV: ttl_s, then their ids.
for position = 2, #ARGV do
  redis.call('SET', 'inflight:' .. ARGV[position], '1', 'EX', ARGV[1])
end
