-- Write the hot state of a batch in one step.
-- ARGV: ttl_s, order_max, then
--   a time, whether they are marked as in flight (1 or 0), a count, and for each event processed on arrival:
--     id, userId, type, seq (or '');
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

-- Ids that are no longer in flight; a few calls delete their marks, in the same step.
local idle = {}

local function clear_idle()
  for first = 1, #idle, 1000 do
    redis.call('DEL', unpack(idle, first, math.min(first + 999, #idle)))
  end
end

-- A later writer may have been here first. An event that is no longer final has no hash; a mark has its version.
local function is_outdated(id, version, status)
  return tonumber(redis.call('HGET', 'event:' .. id, 'version') or 0) > version
    or status == 'failed' and tonumber(redis.call('GET', 'retracted:' .. id) or 0) >= version
end

local function write(id, version, status, at, attempts, user, kind, seq, error)
  local key = 'event:' .. id
  local added = redis.call('HSET', key, 'status', status, 'processedAt', at, 'attempts', attempts, 'userId', user,
    'type', kind, 'version', version)
  if added < 6 then -- the id had an older hash, and none of its fields may stay
    redis.call('HDEL', key, 'seq', 'error')
  end
  if seq ~= '' then
    redis.call('HSET', key, 'seq', seq)
  end
  if error ~= '' then
    redis.call('HSET', key, 'error', error)
  end
  redis.call('EXPIRE', key, ttl)
  redis.call('SET', 'dedup:' .. id, '1', 'EX', ttl)
end

local arrived_at, are_marked = take(), take() == '1'
for _ = 1, tonumber(take()) do
  local id, user, kind, seq = take(), take(), take(), take()
  write(id, 1, 'processed', arrived_at, 1, user, kind, seq, '') -- as it stays: nothing can be newer
  if are_marked then
    idle[#idle + 1] = 'inflight:' .. id
  end
end

for _ = 1, tonumber(take()) do
  local id, version, status, at, attempts = take(), tonumber(take()), take(), take(), take()
  local user, kind, seq, error, dead = take(), take(), take(), take(), take()
  if is_outdated(id, version, status) then -- Redis has this or newer
  elseif status == 'retracted' then
    redis.call('SET', 'retracted:' .. id, version, 'EX', ttl)
    redis.call('DEL', 'event:' .. id)
    unbury(id)
  else
    write(id, version, status, at, attempts, user, kind, seq, error)
    if dead == '1' then
      bury(id, error, attempts, at)
    else
      unbury(id)
    end
  end
  idle[#idle + 1] = 'inflight:' .. id
end

for _ = 1, tonumber(take()) do
  idle[#idle + 1] = 'inflight:' .. take()
end
clear_idle()

-- Push to a list that exists, or that had nothing pushed to it yet; returns whether it did.
local function push(list, is_first, from, to)
  for first = from, to, 1000 do
    local length = redis.call(is_first and 'RPUSH' or 'RPUSHX', list, unpack(ARGV, first, math.min(first + 999, to)))
    if length == 0 then
      return false
    end
    if length > order_max then
      redis.call('LTRIM', list, -order_max, -1)
    end
  end
  return true
end

local gone = {}
while ARGV[position] do
  local user, before, after, count = take(), take(), tonumber(take()), tonumber(take())
  local list, version_key = 'order:' .. user, 'order-version:' .. user
  local version = redis.call('GET', version_key) or '0'
  if before == version and push(list, version == '0', position, position + count - 1) then
    redis.call('SET', version_key, after, 'EX', ttl)
    redis.call('EXPIRE', list, ttl)
  elseif tonumber(version) >= after and redis.call('EXISTS', list) == 1 then
    redis.call('EXPIRE', list, ttl)
    redis.call('EXPIRE', version_key, ttl)
  else
    gone[#gone + 1] = user
  end
  position = position + count
end
return gone
