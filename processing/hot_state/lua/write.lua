#!lua
-- Write the hot state of a batch in one step.
-- ARGV: head; a count, and each event processed on arrival; a count, and each refreshed one, whose row has told its
-- state; each order change, and its seqs.
-- A seq or an error may be '': none. So may the version before an order change: the seqs came late.
-- `needs_list` is 1 or 0; the status of what is not final is 'retrying' or 'retracted', that of what is to have no key
-- 'left out'; `letter` is 'open', 'closed' (it was a dead letter) or '' (it never was).
-- Returns the users whose order list has to be built anew from Postgres; or nothing, and nothing is written, if
-- `needs_list` and dlq:list is gone: then it is to be put back first.
local arguments, position = cmsgpack.unpack(ARGV[1]), 1

local function take(count)
  position = position + count
  return unpack(arguments, position - count, position - 1)
end

local function skip(count) -- the first and the last of so many, which may be more than `unpack` can return
  position = position + count
  return position - count, position - 1
end

local ttl_s, inflight_ttl_s, order_max, arrived_at, needs_list = take(5) -- head
order_max = tonumber(order_max)
if needs_list == '1' and redis.call('EXISTS', 'dlq:list') == 0 then
  return false
end

local opened, closed = {}, {} -- ids that join and leave dlq:list

local function open_letter(id, error, attempts, queued_at)
  opened[#opened + 1] = id
  if id ~= 'list' then -- dlq:list is the list itself
    redis.call('HSET', 'dlq:' .. id, 'eventId', id, 'attempts', attempts, 'error', error, 'queuedAt', queued_at)
    redis.call('EXPIRE', 'dlq:' .. id, ttl_s)
  end
end

local function close_letter(id)
  closed[#closed + 1] = id
  if id ~= 'list' then
    redis.call('DEL', 'dlq:' .. id)
  end
end

-- Where these ids stand in dlq:list, and how many do. A few are found by LPOS: a pass takes ten times as long, whatever
-- their number; it ends with the last of them, since those that leave mostly are the oldest.
local function places(ids)
  local place, wanted, found, missing = {}, {}, 0, 0
  for _, id in ipairs(ids) do
    if not wanted[id] then
      wanted[id] = true
      missing = missing + 1
    end
  end
  if missing < 10 then
    for id in pairs(wanted) do
      place[id] = redis.call('LPOS', 'dlq:list', id) or nil
      found = found + (place[id] and 1 or 0)
    end
    return place, found
  end
  for first = 0, redis.call('LLEN', 'dlq:list') - 1, 1000 do
    for offset, id in ipairs(redis.call('LRANGE', 'dlq:list', first, first + 999)) do
      if wanted[id] then
        place[id] = first + offset - 1
        found = found + 1
      end
    end
    if found == missing then
      break
    end
  end
  return place, found
end

-- Nothing but the list itself tells what is on it: any other key may be gone.
local function update_list()
  local place, found = places(closed)
  for _, at in pairs(place) do
    redis.call('LSET', 'dlq:list', at, '')
  end
  if found > 0 then
    redis.call('LREM', 'dlq:list', found, '')
  end
  place = places(opened)
  for _, id in ipairs(opened) do
    if not place[id] then
      redis.call('RPUSH', 'dlq:list', id)
    end
  end
  redis.call('EXPIRE', 'dlq:list', ttl_s)
end

-- Ids that are not in flight; a few calls delete their marks, in the same step. Few have one, and nothing tells which.
local idle = {}

local function clear_idle()
  for first = 1, #idle, 1000 do
    redis.call('DEL', unpack(idle, first, math.min(first + 999, #idle)))
  end
end

-- A later writer may have been here first. Where no hash tells, the caller finds out: it looks at the row again.
local function is_outdated(id, version)
  return tonumber(redis.call('HGET', 'event:' .. id, 'version') or 0) > version
end

local function write(id, ...) -- fields
  local key = 'event:' .. id
  if redis.call('HSET', key, ...) * 2 < select('#', ...) then -- the id had an older hash: none of its fields may stay
    redis.call('DEL', key)
    redis.call('HSET', key, ...)
  end
  redis.call('EXPIRE', key, ttl_s)
  redis.call('SET', 'dedup:' .. id, '1', 'EX', ttl_s)
end

local function write_refreshed(id, version, status, at, attempts, user, kind, seq, error)
  local fields = { 'status', status, 'processedAt', at, 'attempts', attempts, 'userId', user, 'type', kind }
  version = version == '1' and '' or version -- the first: nothing can be older
  for name, value in pairs({ version = version, seq = seq, error = error }) do
    if value ~= '' then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  write(id, unpack(fields))
end

local arrived = take(1) -- count
for _ = 1, tonumber(arrived) do
  local id, user_id, type, seq = take(4) -- arrived
  if seq == '' then -- as it stays: nothing can be newer, so that it needs no version
    write(id, 'status', 'processed', 'processedAt', arrived_at, 'attempts', 1, 'userId', user_id, 'type', type)
  else
    write(id, 'status', 'processed', 'processedAt', arrived_at, 'attempts', 1, 'userId', user_id, 'type', type,
      'seq', seq)
  end
  idle[#idle + 1] = 'inflight:' .. id
end

local refreshed = take(1) -- count
for _ = 1, tonumber(refreshed) do
  local id, version, status, at, attempts, user_id, type, seq, error, letter = take(10) -- refreshed
  local is_news = not is_outdated(id, tonumber(version))
  if is_news then
    if status == 'left out' then
      redis.call('DEL', 'event:' .. id, 'dedup:' .. id)
    elseif status == 'retracted' or status == 'retrying' then
      redis.call('DEL', 'event:' .. id)
    else
      write_refreshed(id, version, status, at, attempts, user_id, type, seq, error)
    end
    if letter == 'open' then
      open_letter(id, error, attempts, at)
    elseif letter == 'closed' and redis.call('GET', 'inflight:' .. id) ~= 'off the list' then
      close_letter(id)
    end
  end
  if is_news and status == 'retrying' then -- what it has left, its next write need not look through again
    redis.call('SET', 'inflight:' .. id, letter == 'closed' and 'off the list' or '1', 'EX', inflight_ttl_s)
  else
    idle[#idle + 1] = 'inflight:' .. id
  end
end

if #opened + #closed > 0 then
  update_list()
end

clear_idle()

-- Push to a list that exists, or to the first list of a lane; returns whether it did.
local function push(list, is_first, from, to)
  for first = from, to, 1000 do
    local length = redis.call(is_first and 'RPUSH' or 'RPUSHX', list, unpack(arguments, first, math.min(first + 999, to)))
    if length == 0 then
      return false
    end
    if length > order_max then
      redis.call('LTRIM', list, -order_max, -1)
    end
  end
  return true
end

-- A list whose version is not known is built anew, as is one that is gone.
local gone = {}
while arguments[position] do
  local user_id, before, after, count = take(4) -- order
  local from, to = skip(tonumber(count)) -- seqs
  local list, version_key = 'order:' .. user_id, 'order-version:' .. user_id
  local version = redis.call('GET', version_key)
  local is_first = before == '0' and redis.call('EXISTS', list, version_key) == 0
  if (is_first or before == version) and push(list, is_first, from, to) then
    redis.call('SET', version_key, after, 'EX', ttl_s)
    redis.call('EXPIRE', list, ttl_s)
  elseif version and tonumber(version) >= tonumber(after) and redis.call('EXISTS', list) == 1 then
    redis.call('EXPIRE', list, ttl_s)
    redis.call('EXPIRE', version_key, ttl_s)
  else
    gone[#gone + 1] = user_id
  end
end
return gone
