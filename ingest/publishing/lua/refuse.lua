#!lua
-- Remember refused events, each under its own id if nothing real is known there, else under the id made for it.
-- ARGV: head, then each event. Of the event itself all but the error may be ''.
-- Returns the ids used.
local arguments, position = cmsgpack.unpack(ARGV[1]), 1

local function take(count)
  position = position + count
  return unpack(arguments, position - count, position - 1)
end

local ttl_s = take(1) -- head
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

-- Of ids that were made here those of a request share a record, see memory.py; what a caller wrote is quoted in it.
local shared = {}

local function is_shared(id)
  if #id ~= 36 or id:sub(15, 15) ~= '7' then
    return false
  end
  local key = 'accepted:\0' .. id:sub(1, 33)
  if not shared[key] then
    shared[key] = {}
    for digits in (redis.call('GET', key) or ''):gmatch('"(%x%x%x)":') do
      shared[key][digits] = true
    end
  end
  return shared[key][id:sub(34)]
end

local function is_free(id)
  if is_shared(id) then
    return false
  end
  if redis.call('EXISTS', 'accepted:' .. id, 'dedup:' .. id, 'reserved:' .. id, 'inflight:' .. id) > 0 then
    return false
  end
  local status = redis.call('HGET', 'event:' .. id, 'status')
  return not status or status == 'invalid'
end

local ids = {}
while arguments[position] do
  local id, made_id, user_id, type, error = take(5) -- event
  if id == '' or not is_free(id) then
    id = made_id
  end
  local key = 'event:' .. id
  redis.call('DEL', key)
  redis.call('HSET', key, 'status', 'invalid', 'processedAt', now_ms, 'attempts', 0, 'error', error)
  if user_id ~= '' then
    redis.call('HSET', key, 'userId', user_id)
  end
  if type ~= '' then
    redis.call('HSET', key, 'type', type)
  end
  redis.call('EXPIRE', key, ttl_s)
  ids[#ids + 1] = id
end
return ids
