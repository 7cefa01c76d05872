#!lua
-- Mark events as in flight, for the writer of their hot state, which takes the marks back; nobody would take back those
-- of events that another has made final by now. ARGV: head, then each event.
local arguments, position = cmsgpack.unpack(ARGV[1]), 1

local function take(count)
  position = position + count
  return unpack(arguments, position - count, position - 1)
end

local ttl_s = take(1) -- head
while arguments[position] do
  local id = take(1) -- event
  local status = redis.call('HGET', 'event:' .. id, 'status')
  if not status or status == 'invalid' then
    redis.call('SET', 'inflight:' .. id, '1', 'EX', ttl_s)
  end
end
