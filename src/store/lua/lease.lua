#!lua flags=allow-oom
-- lease: takes orders that have something to do now, for one worker. Touches fixed keys only, never an order.
-- KEYS 1 ready  2 wait  3 lease  4 tok  5 red  6 vt  7 ctl  8 calls
-- ARGV 1 how many (at most 100)  2 worker  3 token, unique to this call  4 ms of the lease
-- → (member, redeliveries) each, flat
-- Repeated with the same token: the same orders, as far as they are still its own, with a fresh end.
local ready, wait, lease, tok, red, vt, ctl, calls = unpack(KEYS, 1, 8)
local count, worker, token = math.min(tonumber(ARGV[1]), 100), ARGV[2], ARGV[3]
local now = now_ms(ctl)
local stop = num(now + tonumber(ARGV[4]))

local function answer(members)
  local charged = redis.call('HMGET', red, unpack(members))
  local out = {}
  for i, member in ipairs(members) do
    out[#out + 1] = member
    out[#out + 1] = charged[i] or '0'
  end
  return out
end

local last = redis.call('HGET', calls, worker)
if last then
  local mine = {}
  local words = string.gmatch(last, '%S+')
  words()
  if words() == token then
    for member in words do
      if redis.call('HGET', tok, member) == token then
        mine[#mine + 1] = member
        redis.call('ZADD', lease, 'XX', stop, member)
      end
    end
    if #mine > 0 then
      return answer(mine)
    end
  end
end

-- What is due comes first into `ready`, so that fairness reaches through `wait`.
local due = redis.call('ZRANGEBYSCORE', wait, '-inf', num(now), 'LIMIT', 0, count)
if #due > 0 then
  redis.call('ZREM', wait, unpack(due))
  to_ready(ready, vt, due)
end
local got = redis.call('ZPOPMIN', ready, count)
if #got == 0 then
  return {}
end
local members, ends, tokens = {}, {}, {}
for i = 1, #got, 2 do
  members[#members + 1] = got[i]
  ends[#ends + 1] = stop
  ends[#ends + 1] = got[i]
  tokens[#tokens + 1] = got[i]
  tokens[#tokens + 1] = token
end
redis.call('ZADD', lease, unpack(ends))
redis.call('HSET', tok, unpack(tokens))
local reached = tonumber(got[#got])
if reached > (tonumber(redis.call('HGET', vt, 'V') or '0') or 0) then
  redis.call('HSET', vt, 'V', num(reached))
end
redis.call('HSET', calls, worker, num(now) .. ' ' .. token .. ' ' .. table.concat(members, ' '))
return answer(members)
