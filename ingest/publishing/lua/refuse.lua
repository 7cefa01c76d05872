#!lua
-- Remember refused events, each under its own id if nothing real is known there, else under the id made for it.
-- ARGV: head, then each event. Of the event itself all but the error may be ''.
-- Returns the ids used.
local position = 1

local function take(count)
  position = position + count
  return unpack(ARGV, position - count, position - 1)
end

local ttl_s = take(1) -- head
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local function is_free(id)
  if redis.call('EXISTS', 'accepted:' .. id, 'dedup:' .. id, 'reserved:' .. id, 'inflight:' .. id) > 0 then
    return false
  end
  local status = redis.call('HGET', 'event:' .. id, 'status')
  return not status or status == 'invalid'
end

local ids = {}
while ARGV[position] do
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
