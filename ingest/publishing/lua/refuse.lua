-- Remember refused events, each under its own id if nothing real is known there, else under the id made for it.
-- ARGV: ttl_s, then for each event: its id (or ''), the made id, userId (or ''), type (or ''), error.
-- Returns the ids used.
local ttl = ARGV[1]
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
for position = 2, #ARGV, 5 do
  local id, user, kind = ARGV[position], ARGV[position + 2], ARGV[position + 3]
  if id == '' or not is_free(id) then
    id = ARGV[position + 1]
  end
  local key = 'event:' .. id
  redis.call('DEL', key)
  redis.call('HSET', key, 'status', 'invalid', 'processedAt', now_ms, 'attempts', 0, 'error', ARGV[position + 4])
  if user ~= '' then
    redis.call('HSET', key, 'userId', user)
  end
  if kind ~= '' then
    redis.call('HSET', key, 'type', kind)
  end
  redis.call('EXPIRE', key, ttl)
  ids[#ids + 1] = id
end
return ids
