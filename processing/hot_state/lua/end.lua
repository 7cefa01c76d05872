-- Take marks of `begin` back. ARGV: whose marks they are, then the ids. Another's mark stays.
for position = 2, #ARGV do
  local key = 'inflight:' .. ARGV[position]
  if redis.call('GET', key) == ARGV[1] then
    redis.call('DEL', key)
  end
end
