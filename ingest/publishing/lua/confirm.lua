-- Remember the outcome of publishing: what Kafka acknowledged is known from here on, the rest leaves no trace.
-- May be said again, and late: what others hold by then stays theirs.
-- ARGV: ttl_s, then for each event: whether it was acknowledged (1 or 0), its attempt's token, whether its id could
--   be known (1 or 0), id, user (or '': not limited), idempotency key (or ''), content digest, what to remember.
local ttl = ARGV[1]

local function rate_key(user)
  return (user:sub(1, 3) == 'ip:' and 'rateuser:' or 'rate:') .. user
end

local function is_ours_or_free(key, value)
  local held = redis.call('GET', key)
  return not held or held == value
end

local function release(key, value)
  if redis.call('GET', key) == value then -- it may have run out, and be another's by now
    redis.call('DEL', key)
  end
end

for position = 2, #ARGV, 8 do
  local acknowledged, token, may_be_known = ARGV[position], ARGV[position + 1], ARGV[position + 2] == '1'
  local id, user, key, digest = ARGV[position + 3], ARGV[position + 4], ARGV[position + 5], ARGV[position + 6]
  if acknowledged == '1' then
    redis.call('SET', 'accepted:' .. id, ARGV[position + 7], 'EX', ttl)
    if key ~= '' and is_ours_or_free(key, 'p:' .. token) then
      redis.call('SET', key, 'd:' .. digest .. ':' .. id, 'EX', ttl)
    end
    if may_be_known and redis.call('HGET', 'event:' .. id, 'status') == 'invalid' then
      redis.call('DEL', 'event:' .. id) -- the mended event counts, not its refusal
    end
  else
    if key ~= '' then
      release(key, 'p:' .. token)
    end
    if user ~= '' and (not may_be_known or is_ours_or_free('reserved:' .. id, token)) then
      redis.call('ZREM', rate_key(user), id)
    end
  end
  if may_be_known then
    release('reserved:' .. id, token)
  end
end
return 0
