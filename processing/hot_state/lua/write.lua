-- Write the hot state of a batch in one step.
-- ARGV: head; a count, and each event processed on arrival; a count, and each refreshed one, whose row has told its
-- state; a count, and each one that is no longer in flight; each order change, and its seqs.
-- A seq or an error may be '': none. So may the version before an order change: the seqs came late.
-- `are_marked` and `is_dead` are 1 or 0.
-- Returns the users whose order list has to be built anew from Postgres.
local position = 1

local function take(count)
  position = position + count
  return unpack(ARGV, position - count, position - 1)
end

local function skip(count) -- the first and the last of so many, which may be more than `unpack` can return
  position = position + count
  return position - count, position - 1
end

local ttl_s, order_max, arrived_at, are_marked = take(4) -- head
order_max = tonumber(order_max)

local function bury(id, error, attempts, queued_at)
  if redis.call('SADD', 'dead-letter-ids', id) == 1 then
    redis.call('RPUSH', 'dlq:list', id)
  end
  redis.call('EXPIRE', 'dead-letter-ids', ttl_s)
  redis.call('EXPIRE', 'dlq:list', ttl_s)
  if id ~= 'list' then -- dlq:list is the list itself
    redis.call('HSET', 'dlq:' .. id, 'eventId', id, 'attempts', attempts, 'error', error, 'queuedAt', queued_at)
    redis.call('EXPIRE', 'dlq:' .. id, ttl_s)
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
  redis.call('EXPIRE', key, ttl_s)
  redis.call('SET', 'dedup:' .. id, '1', 'EX', ttl_s)
end

local arrived = take(1) -- count
for _ = 1, tonumber(arrived) do
  local id, user_id, type, seq = take(4) -- arrived
  write(id, 1, 'processed', arrived_at, 1, user_id, type, seq, '') -- as it stays: nothing can be newer
  if are_marked == '1' then
    idle[#idle + 1] = 'inflight:' .. id
  end
end

local refreshed = take(1) -- count
for _ = 1, tonumber(refreshed) do
  local id, version, status, at, attempts, user_id, type, seq, error, is_dead = take(10) -- refreshed
  if is_outdated(id, tonumber(version), status) then -- Redis has this or newer
  elseif status == 'retracted' then
    redis.call('SET', 'retracted:' .. id, version, 'EX', ttl_s)
    redis.call('DEL', 'event:' .. id)
    unbury(id)
  else
    write(id, version, status, at, attempts, user_id, type, seq, error)
    if is_dead == '1' then
      bury(id, error, attempts, at)
    else
      unbury(id)
    end
  end
  idle[#idle + 1] = 'inflight:' .. id
end

local no_longer_in_flight = take(1) -- count
for _ = 1, tonumber(no_longer_in_flight) do
  local id = take(1) -- idle
  idle[#idle + 1] = 'inflight:' .. id
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
  local user_id, before, after, count = take(4) -- order
  local from, to = skip(tonumber(count)) -- seqs
  local list, version_key = 'order:' .. user_id, 'order-version:' .. user_id
  local version = redis.call('GET', version_key) or '0'
  if before == version and push(list, version == '0', from, to) then
    redis.call('SET', version_key, after, 'EX', ttl_s)
    redis.call('EXPIRE', list, ttl_s)
  elseif tonumber(version) >= tonumber(after) and redis.call('EXISTS', list) == 1 then
    redis.call('EXPIRE', list, ttl_s)
    redis.call('EXPIRE', version_key, ttl_s)
  else
    gone[#gone + 1] = user_id
  end
end
return gone
