-- Keep what is reserved for events that Kafka has not answered yet; of an id that was made here nobody knew before.
-- ARGV: head, then each event. A key may be ''.
-- No `#!lua` here: a full server must still let what is there live on, so each command is asked for its memory by itself.
local arguments, position = cmsgpack.unpack(ARGV[1]), 1

local function take(count)
  position = position + count
  return unpack(arguments, position - count, position - 1)
end

local reservation_ms = take(1) -- head
local mine = {}

local function keep(key, value)
  local held = redis.call('GET', key)
  if not held then
    redis.pcall('SET', key, value, 'PX', reservation_ms) -- a full server refuses it; what is there is kept all the same
  elseif held == value then
    mine[#mine + 1] = key
  end
end

while arguments[position] do
  local token, id, key = take(3) -- event
  if redis.call('EXISTS', 'accepted:' .. id) == 0 then
    keep('reserved:' .. id, token)
    if key ~= '' then
      keep(key, 'p:' .. token)
    end
  end
end
for _, key in ipairs(mine) do -- last: after any write the server's memory limit is not asked for again
  redis.call('PEXPIRE', key, reservation_ms)
end
return 0
