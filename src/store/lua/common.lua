-- Put behind the first line of every script. No script touches a key that is not among its KEYS: these
-- functions get keys as arguments and build none.

-- Redis' own way to write 10^15 is 1e+15, which is no integer to anybody else.
local function num(x)
  return string.format('%.0f', x)
end

-- The server's clock in ms: one clock for all processes, standing still during a script. Tests may shift it
-- (field clock_offset_ms of `ctl`), under their own prefix only.
local function now_ms(ctl)
  local t = redis.call('TIME')
  local ms = t[1] * 1000 + math.floor(t[2] / 1000)
  if string.sub(ctl, 1, 6) == 'owtest' then
    ms = ms + (tonumber(redis.call('HGET', ctl, 'clock_offset_ms') or '0') or 0)
  end
  return ms
end

-- Whether a channel is paused: field p:<channel> holds <until ms>:<reason>.
local function stands(ctl, channel, now)
  local pause = redis.call('HGET', ctl, 'p:' .. channel)
  local till = pause and tonumber(string.match(pause, '^%d+'))
  return till and till > now
end

-- Gives each member its place in `ready` by its shop's virtual time: a shop with a million orders has places
-- far ahead, so another shop's next order comes next. At most 1,000 members a call.
local function to_ready(ready, vt, members)
  if #members == 0 then
    return
  end
  if #members == 1 then
    -- Most often it is one: what is there already keeps its place, and costs its shop nothing.
    local member = members[1]
    local shop = string.sub(member, 1, 8)
    local known = redis.call('HMGET', vt, 'V', shop)
    local t = num(math.max(tonumber(known[1] or '0') or 0, tonumber(known[2] or '0') or 0) + 1)
    if redis.call('ZADD', ready, 'NX', t, member) == 1 then
      redis.call('HSET', vt, shop, t)
    end
    return
  end
  local served = tonumber(redis.call('HGET', vt, 'V') or '0') or 0
  local times, shops, places = {}, {}, {}
  for _, member in ipairs(members) do
    local shop = string.sub(member, 1, 8)
    local t = times[shop]
    if not t then
      t = tonumber(redis.call('HGET', vt, shop) or '0') or 0
      shops[#shops + 1] = shop
    end
    t = math.max(t, served) + 1
    times[shop] = t
    places[#places + 1] = num(t)
    places[#places + 1] = member
  end
  redis.call('ZADD', ready, 'NX', unpack(places))
  for _, shop in ipairs(shops) do
    redis.call('HSET', vt, shop, num(times[shop]))
  end
end

-- An order that waits or is parked comes to `ready`; one that is leased or ready stays where it is.
local function rouse(member, ready, wait, vt, parked)
  if redis.call('ZREM', wait, member) == 1 or (parked and redis.call('ZREM', parked, member) == 1) then
    to_ready(ready, vt, { member })
  end
end
