-- Write the hot state of a batch in one step.
-- ARGV: ttl_s, order_max, then
--   a time, a count, and for each event processed on arrival: id, userId, type, seq (or '');
--   a count, and for each other event: id, version, status, processedAt, attempts, userId, type, seq (or ''),
--     error (or ''), whether it is a dead letter (1 or 0);
--   a count, and ids that are no longer in flight;
--   for each order change: user, version before (or ''), version after, count of seqs, the seqs.
-- Returns the users whose order list has to be built anew from Postgres.
local ttl, order_max = ARGV[1], tonumber(ARGV[2])
local position = 3

local function take()
  position = position + 1
  return ARGV[position - 1]
end

local function bury(id, error, attempts, queued_at)
  if redis.call('SADD', 'dead-letter-ids', id) == 1 then
    redis.call('RPUSH', 'dlq:list', id)
  end
  redis.call('EXPIRE', 'dead-letter-ids', ttl)
  redis.call('EXPIRE', 'dlq:list', ttl)
  if id ~= 'list' then -- dlq:list is the list itself
    redis.call('HSET', 'dlq:' .. id, 'eventId', id, 'attempts', attempts, 'error', error, 'queuedAt', queued_at)
    redis.call('EXPIRE', 'dlq:' .. id, ttl)
  end
end

local function unbury(id)
  if redis.call('SREM', 'dead-letter-ids', id) == 1 then
    redis.call('LREM', 'dlq:list', 0, id)
  end
  if id ~= 'list' then
    redis.call('DEL', 'dlq:' .. id)
  end
end

-- A later writer may have been here first. An event that is final no more has no hash; its mark tells.
local function is_newer(id, version, status)
  local seen = tonumber(redis.call('HGET', 'event:' .. id, 'version') or 0)
  if seen > version then
    return false
  end
  if seen < version then
    redis.call('DEL', 'event:' .. id)
  end
  return status ~= 'failed' or tonumber(redis.call('GET', 'retracted:' .. id) or 0) < version
end

local function write(id, version, status, at, attempts, user, kind, seq, error)
  local key = 'event:' .. id
  redis.call('HSET', key, 'status', status, 'processedAt', at, 'attempts', attempts, 'userId', user, 'type', kind,
    'version', version)
  if seq ~= '' then
    redis.call('HSET', key, 'seq', seq)
  end
  if error ~= '' then
    redis.call('HSET', key, 'error', error)
  end
  redis.call('EXPIRE', key, ttl)
  redis.call('SET', 'dedup:' .. id, '1', 'EX', ttl)
end

local arrived_at = take()
for _ = 1, tonumber(take()) do
  local id, user, kind, seq = take(), take(), take(), take()
  if is_newer(id, 1, 'processed') then
    write(id, 1, 'processed', arrived_at, 1, user, kind, seq, '')
  end
  redis.call('DEL', 'inflight:' .. id)
end

for _ = 1, tonumber(take()) do
  local id, version, status, at, attempts = take(), tonumber(take()), take(), take(), take()
  local user, kind, seq, error, dead = take(), take(), take(), take(), take()
  if status == 'retracted' then
    redis.call('SET', 'retracted:' .. id, version, 'EX', ttl)
    redis.call('DEL', 'event:' .. id)
    unbury(id)
  elseif is_newer(id, version, status) then
    write(id, version, status, at, attempts, user, kind, seq, error)
    if dead == '1' then
      bury(id, error, attempts, at)
    else
      unbury(id)
    end
  end
  redis.call('DEL', 'inflight:' .. id)
end

for _ = 1, tonumber(take()) do
  redis.call('DEL', 'inflight:' .. take())
end

local gone = {}
while ARGV[position] do
  local user, before, after, count = take(), take(), tonumber(take()), tonumber(take())
  local list, version_key = 'order:' .. user, 'order-version:' .. user
  local version = tonumber(redis.call('GET', version_key) or 0)
  local there = redis.call('EXISTS', list) == 1
  if before == tostring(version) and (there or version == 0) then
    for first = position, position + count - 1, 1000 do
      redis.call('RPUSH', list, unpack(ARGV, first, math.min(first + 999, position + count - 1)))
    end
    redis.call('LTRIM', list, -order_max, -1)
    redis.call('SET', version_key, after, 'EX', ttl)
    redis.call('EXPIRE', list, ttl)
  elseif there and version >= after then
    redis.call('EXPIRE', list, ttl)
    redis.call('EXPIRE', version_key, ttl)
  else
    gone[#gone + 1] = user
  end
  position = position + count
end
return gone
