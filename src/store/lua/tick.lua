#!lua flags=allow-oom
-- tick: moves what is due, lets go of leases that ended, gives back what is parked for a channel that moves.
-- Knows nothing of items: the next holder finds what its predecessor had begun.
-- KEYS 1 ready  2 wait  3 lease  4 tok  5 red  6 vt  7 ctl  8 calls  then parked:<channel> each
-- ARGV 1 how many of each (at most 1,000)  2 ms without a tick that count as an outage  3 ms of grace after one
--      4 ms of the longest lease  then the channels, in the order of their keys
-- → more (1 or 0), promoted, reaped, unparked, then every channel with parked orders
-- Repeated: finds less to do.
local ready, wait, lease, tok, red, vt, ctl, calls = unpack(KEYS, 1, 8)
local max = math.min(tonumber(ARGV[1]), 1000)
local now = now_ms(ctl)
local more = 0
local function took(list)
  if #list >= max then
    more = 1
  end
  return #list
end

local marks = redis.call('HMGET', ctl, 'last_tick', 'no_reap_until', 'pruned')
local last = tonumber(marks[1] or now)
-- A clock set back must not hold everything up for as long as it was set back.
local hold = math.min(tonumber(marks[2] or '0'), now + tonumber(ARGV[3]))
-- Nobody ticked: the server was away, and with it the workers' chance to settle. Their leases look ended the
-- moment it is back; taking them now would turn sends in flight into doubt.
if now - last > tonumber(ARGV[2]) then
  hold = now + tonumber(ARGV[3])
  redis.call('HSET', ctl, 'no_reap_until', num(hold))
end
if not marks[1] or now - last >= 1000 or now < last then
  redis.call('HSET', ctl, 'last_tick', num(now))
end

-- A lease that ends later than any can was taken before the clock was set back: whoever holds it has its time from now.
local longest = num(now + tonumber(ARGV[4]))
for _, member in ipairs(redis.call('ZRANGEBYSCORE', lease, '(' .. longest, '+inf', 'LIMIT', 0, max)) do
  redis.call('ZADD', lease, 'XX', longest, member)
end

local reaped = 0
if now >= hold then
  local over = redis.call('ZRANGEBYSCORE', lease, '-inf', num(now), 'LIMIT', 0, max)
  reaped = took(over)
  if reaped > 0 then
    redis.call('ZREM', lease, unpack(over))
    redis.call('HDEL', tok, unpack(over))
    for _, member in ipairs(over) do
      redis.call('HINCRBY', red, member, 1)
    end
    to_ready(ready, vt, over)
  end
end

local due = redis.call('ZRANGEBYSCORE', wait, '-inf', num(now), 'LIMIT', 0, max)
local promoted = took(due)
if promoted > 0 then
  redis.call('ZREM', wait, unpack(due))
  to_ready(ready, vt, due)
end

local unparked = 0
for i = 9, #KEYS do
  local parked, channel = KEYS[i], ARGV[i - 4]
  local back
  if stands(ctl, channel, now) then
    back = redis.call('ZRANGEBYSCORE', parked, '-inf', num(now), 'LIMIT', 0, max)
  else
    back = redis.call('ZRANGE', parked, 0, max - 1)
  end
  unparked = unparked + took(back)
  if #back > 0 then
    redis.call('ZREM', parked, unpack(back))
    to_ready(ready, vt, back)
  elseif redis.call('ZCARD', parked) == 0 then
    redis.call('HDEL', ctl, 'k:' .. channel)
  end
end

-- What lease calls of workers long gone were answered.
if now - tonumber(marks[3] or '0') > 60000 then
  local all = redis.call('HGETALL', calls)
  for i = 1, #all, 2 do
    if now - (tonumber(string.match(all[i + 1], '^%d+')) or 0) > 600000 then
      redis.call('HDEL', calls, all[i])
    end
  end
  redis.call('HSET', ctl, 'pruned', num(now))
end

local out = { more, promoted, reaped, unparked }
for _, field in ipairs(redis.call('HKEYS', ctl)) do
  if string.sub(field, 1, 2) == 'k:' then
    out[#out + 1] = string.sub(field, 3)
  end
end
return out
