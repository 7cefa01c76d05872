#!lua
-- Remember the outcome of publishing: what Kafka acknowledged is known from here on, the rest leaves no trace.
-- May be said again, and late: what others hold by then stays theirs.
-- ARGV: head, then each record of events whose ids were made here, then each other event. `acknowledged` and `may_be_known` (its id) are 1 or 0; `token` is its request's, `memory`
-- what to remember. A user may be '' (not limited), and so may an idempotency key and the window of an API key.
local arguments, position = cmsgpack.unpack(ARGV[1]), 1

local function take(count)
  position = position + count
  return unpack(arguments, position - count, position - 1)
end

local ttl_s, records = take(2) -- head

local function rate_key(user)
  local taken = user:sub(1, 3) == 'ip:' or user:sub(1, 4) == 'key:'
  return (taken and 'rateuser:' or 'rate:') .. user
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

for _ = 1, tonumber(records) do
  local key, memory = take(2) -- record
  redis.call('SET', key, memory, 'EX', ttl_s)
end
while arguments[position] do
  local acknowledged, token, may_be_known, id, user_id, window, key, digest, memory = take(9) -- event
  if acknowledged == '1' then
    redis.call('SET', 'accepted:' .. id, memory, 'EX', ttl_s)
    if key ~= '' and is_ours_or_free(key, 'p:' .. token) then
      redis.call('SET', key, 'd:' .. digest .. ':' .. id, 'EX', ttl_s)
    end
    if may_be_known == '1' and redis.call('HGET', 'event:' .. id, 'status') == 'invalid' then
      redis.call('DEL', 'event:' .. id) -- the mended event counts, not its refusal
    end
  else
    if key ~= '' then
      release(key, 'p:' .. token)
    end
    if may_be_known ~= '1' or is_ours_or_free('reserved:' .. id, token) then
      if user_id ~= '' then
        redis.call('ZREM', rate_key(user_id), id)
      end
      if window ~= '' then
        redis.call('ZREM', window, id)
      end
    end
  end
  if may_be_known == '1' then
    release('reserved:' .. id, token)
  end
end
return 0
