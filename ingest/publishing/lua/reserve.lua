#!lua
-- Decide about the events of several requests, in order, and reserve what is to be published. One step for all.
-- ARGV: head, then each request, each followed by its events. A limit of 0 is none. `token` is the attempt's, `request`
--   the request's own; `counts` (1 or 0): for its address, whatever its events are; `asked_user`: whose remaining limit
--   is asked for. `may_be_known` (an event's id) is 1 or 0, or 2: it is, and stands for one content, that of `digest`.
--   An address, `asked_user` and a key may be '', and a user whose events are not limited.
-- Returns for each request: the least remaining limit of its users (-1: no limit), whether its address is over its
--   limit (1 or 0), and for each event: 0 reserved, 1 over its user's limit, 2 another publishing is under way,
--   3 over its address' limit, 'd' .. id duplicate of id, 'c' .. id conflict with id by its key, 'o' .. id conflict
--   since id stands for other content, 'a' .. id accepted as id and not yet final, so a duplicate unless it was lost,
--   or an id that stands for a content which the inbox alone knows.
local position = 1

local function take(count)
  position = position + count
  return unpack(ARGV, position - count, position - 1)
end

local user_limit, address_limit, window_us, reservation_ms, ttl_s = take(5) -- head
user_limit, address_limit, window_us = tonumber(user_limit), tonumber(address_limit), tonumber(window_us)
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window_ms = window_us / 1000
local used, kept, taken = {}, {}, {} -- by this call: units of each window, windows kept alive, idempotency keys

local function rate_key(user) -- no caller's text may reach an address' window
  return (user:sub(1, 3) == 'ip:' and 'rateuser:' or 'rate:') .. user
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

local function spend(key, limit, member)
  local count = units(key)
  if count >= limit then
    return redis.call('ZSCORE', key, member) ~= false -- sent again after a lost answer
  end
  if redis.call('ZADD', key, now, member) == 1 then
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
        redis.call('SET', key, 'd:' .. digest .. ':' .. id, 'EX', ttl_s)
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

local function decide(token, request, address, may_be_known, one_content, id, rate, key, digest)
  local answer = known(key, id, digest, token, may_be_known, one_content)
  if answer then
    return answer
  end
  if not address_allows(address, request) then
    return 3
  end
  if rate ~= '' and not spend(rate, user_limit, id) then
    return 1
  end
  if key ~= '' then
    taken[key] = true
    redis.call('SET', key, 'p:' .. token, 'PX', reservation_ms)
  end
  if may_be_known then
    redis.call('SET', 'reserved:' .. id, token, 'PX', reservation_ms)
  end
  return 0
end

local function remaining(rate)
  return math.max(0, user_limit - units(rate))
end

local answers = {}
while ARGV[position] do
  local token, request, address, counts, asked_user, count = take(6) -- request
  local head = #answers + 1
  local least = user_limit > 0 and user_limit or -1
  answers[head], answers[head + 1] = 0, 0
  if counts == '1' and not address_allows(address, request) then
    answers[head + 1] = 1
  end
  for _ = 1, tonumber(count) do
    local may_be_known, id, user_id, key, digest = take(5) -- event
    local rate = user_limit > 0 and user_id ~= '' and rate_key(user_id) or ''
    local one_content = may_be_known == '2'
    local answer = decide(token, request, address, may_be_known ~= '0', one_content, id, rate, key, digest)
    if answer == 3 then
      answers[head + 1] = 1
    end
    answers[#answers + 1] = answer
    if rate ~= '' then
      least = math.min(least, remaining(rate))
    end
  end
  if user_limit > 0 and asked_user ~= '' then
    least = math.min(least, remaining(rate_key(asked_user)))
  end
  answers[head] = least
end
return answers
