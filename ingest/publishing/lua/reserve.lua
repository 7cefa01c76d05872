#!lua
-- Decide about the events of several requests, in order, and reserve what is to be published. One step for all.
-- ARGV: head, then each request, each followed by its events. A limit of 0 is none. `token` is the attempt's, `request`
--   the request's own; `counts` (1 or 0): for its address, whatever its events are; `asked_user`: whose remaining limit
--   is asked for. `may_be_known` (an event's id) is 0, 1 or 2: it is, and stands for one content, that of `digest`; a
--   claim follows unless it is 0.
--   An address, `asked_user` and a key may be '', and a user whose events are not limited. `window` is that of the
--   request's API key, with the limit `window_limit`.
-- Returns for each request: the least remaining limit of its users (-1: no limit), that of its API key, whether its
--   address is over its limit (1 or 0), and for each event: 0 reserved, 1 over its user's limit, 2 another publishing
--   is under way, 3 over its address' limit, 4 over its API key's limit, 'd' .. id duplicate of id, 'c' .. id conflict
--   with id by its key, 'o' .. id conflict since id stands for other content, 'a' .. id accepted as id and not yet
--   final, so a duplicate unless it was lost, or an id that stands for a content which the inbox alone knows.
local arguments, position = cmsgpack.unpack(ARGV[1]), 1

local function take(count)
  position = position + count
  return unpack(arguments, position - count, position - 1)
end

local user_limit, address_limit, window_us, reservation_ms, ttl_s = take(5) -- head
user_limit, address_limit, window_us = tonumber(user_limit), tonumber(address_limit), tonumber(window_us)
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window_ms = window_us / 1000
local used, kept, taken = {}, {}, {} -- by this call: units of each window, windows kept alive, idempotency keys

-- A window lives for a second: neither a replica nor the server's log is told of it, which would cost half of it all.
local function tell(whom)
  if redis.set_repl then
    redis.set_repl(whom)
  end
end

tell(redis.REPL_NONE)

local function remember(key, value, ...)
  tell(redis.REPL_ALL)
  redis.call('SET', key, value, ...)
  tell(redis.REPL_NONE)
end

local function rate_key(user) -- no caller's text may reach the window of an address or of an API key
  local taken = user:sub(1, 3) == 'ip:' or user:sub(1, 4) == 'key:'
  return (taken and 'rateuser:' or 'rate:') .. user
end

local function units(key)
  local count = used[key]
  if not count then
    count = redis.call('ZCARD', key)
    if count > 0 and redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window_us) > 0 then
      count = redis.call('ZCARD', key)
    end
    used[key] = count
  end
  return count
end

local function allows(key, limit, member)
  return units(key) < limit or redis.call('ZSCORE', key, member) ~= false -- sent again after a lost answer
end

local function spend(key, limit, member)
  if not allows(key, limit, member) then
    return false
  end
  local count = units(key)
  if count < limit and redis.call('ZADD', key, now, member) == 1 then
    used[key] = count + 1
    if not kept[key] then
      kept[key] = true
      redis.call('PEXPIRE', key, window_ms)
    end
  end
  return true
end

local function duplicate(id)
  return (redis.call('EXISTS', 'dedup:' .. id) == 1 and 'd' or 'a') .. id
end

-- Of an id that is known, and stands for one content: nil if that is this one, for all that is known here.
local function compared(id, digest)
  local memory = redis.call('GET', 'accepted:' .. id)
  if not memory then
    return 'a' .. id
  end
  local first = cjson.decode(memory).digest
  return first and first ~= digest and 'o' .. id
end

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

local function known(key, id, digest, token, may_be_known, one_content)
  if key ~= '' then
    local held = redis.call('GET', key)
    if held then
      local state, first, rest = held:match('^(%a):([^:]*):?(.*)$')
      if state == 'd' then
        return first == digest and duplicate(rest) or 'c' .. rest
      elseif first ~= token or taken[key] then
        return 2
      end
    end
  end
  if may_be_known then
    if redis.call('EXISTS', 'accepted:' .. id, 'dedup:' .. id) > 0 or is_shared(id) then
      local answer = one_content and compared(id, digest)
      if answer then
        return answer
      end
      if key ~= '' then
        remember(key, 'd:' .. digest .. ':' .. id, 'EX', ttl_s)
      end
      return duplicate(id)
    end
    local holder = redis.call('GET', 'reserved:' .. id)
    if holder and holder ~= token then
      return 2
    end
  end
  return nil
end

local function address_allows(address, request)
  if address_limit == 0 or address == '' then
    return true
  end
  return spend('rate:ip:' .. address, address_limit, request)
end

local function decide(token, request, address, window, window_limit, may_be_known, one_content, id, rate, key, digest)
  local answer = known(key, id, digest, token, may_be_known, one_content)
  if answer then
    return answer
  end
  if not address_allows(address, request) then
    return 3
  end
  if window_limit > 0 and not allows(window, window_limit, id) then
    return 4
  end
  if rate ~= '' and not spend(rate, user_limit, id) then
    return 1
  end
  if window_limit > 0 then
    spend(window, window_limit, id)
  end
  if key ~= '' then
    taken[key] = true
    remember(key, 'p:' .. token, 'PX', reservation_ms)
  end
  if may_be_known then
    remember('reserved:' .. id, token, 'PX', reservation_ms)
  end
  return 0
end

local function remaining(rate, limit)
  return math.max(0, limit - units(rate))
end

local answers = {}
while arguments[position] do
  local token, request, address, counts, asked_user, window, window_limit, count = take(8) -- request
  window_limit = tonumber(window_limit)
  local head = #answers + 1
  local least = user_limit > 0 and user_limit or -1
  answers[head], answers[head + 1], answers[head + 2] = 0, -1, 0
  if counts == '1' and not address_allows(address, request) then
    answers[head + 2] = 1
  end
  for _ = 1, tonumber(count) do
    local may_be_known, id, user_id = take(3) -- event
    local rate = user_limit > 0 and user_id ~= '' and rate_key(user_id) or ''
    local answer
    if may_be_known == '0' then
      answer = decide(token, request, address, window, window_limit, false, false, id, rate, '', '')
    else
      local key, digest = take(2) -- claim
      local one_content = may_be_known == '2'
      answer = decide(token, request, address, window, window_limit, true, one_content, id, rate, key, digest)
    end
    if answer == 3 then
      answers[head + 2] = 1
    end
    answers[#answers + 1] = answer
    if rate ~= '' then
      least = math.min(least, remaining(rate, user_limit))
    end
  end
  if user_limit > 0 and asked_user ~= '' then
    least = math.min(least, remaining(rate_key(asked_user), user_limit))
  end
  answers[head] = least
  if window_limit > 0 then
    answers[head + 1] = remaining(window, window_limit)
  end
end
return answers
