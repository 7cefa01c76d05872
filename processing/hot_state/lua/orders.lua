-- Put order lists back whole, each unless a newer one is there.
-- ARGV: ttl_s, then for each list: user, version, count of seqs, the seqs.
local ttl = ARGV[1]
local position = 2
while ARGV[position] do
  local user, version, count = ARGV[position], tonumber(ARGV[position + 1]), tonumber(ARGV[position + 2])
  position = position + 3
  local list, version_key = 'order:' .. user, 'order-version:' .. user
  if redis.call('EXISTS', list) == 0 or tonumber(redis.call('GET', version_key) or 0) < version then
    redis.call('DEL', list)
    for first = position, position + count - 1, 1000 do
      redis.call('RPUSH', list, unpack(ARGV, first, math.min(first + 999, position + count - 1)))
    end
    redis.call('EXPIRE', list, ttl)
    redis.call('SET', version_key, version, 'EX', ttl)
  end
  position = position + count
end
