-- Keep what is reserved for events that Kafka has not answered yet; of an id that was made here nobody knew before.
-- ARGV: reservation_ms, then for each event: its attempt's token, id, idempotency key (or '').
local reservation_ms = ARGV[1]
local mine = {}

local function keep(key, value)
  local held = redis.call('GET', key)
  if not held then
    redis.pcall('SET', key, value, 'PX', reservation_ms) -- a full server refuses it; what is there is kept all the same
  elseif held == value then
    mine[#mine + 1] = key
  end
end

for position = 2, #ARGV, 3 do
  local token, id, key = ARGV[position], ARGV[position + 1], ARGV[position + 2]
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
