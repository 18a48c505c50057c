#!lua flags=allow-oom
-- settle: the end of work on orders of one partition. Writes items, never the order itself, never its revision.
-- KEYS 1 ready  2 wait  3 lease  4 tok  5 red  6 vt  7 ctl  8 dead  then (ord, snp, led, env, parked:<channel>) for
--      each order; where it is not to be parked, its `wait` stands in the last place
-- ARGV 1 longest ledger  2 ms an order is kept  3 ms a ledger is kept  then for each order:
--      member, token, items closed, added items that are open, revision read, wakes read,
--      where to (done ready wait park), until ms, channel to park at, ledger ('' none), redeliveries,
--      number of items, of added items, of envelopes to drop, of items whose receipts go, of dead,
--      then: (number, item) each, (number, item) each, numbers, numbers, numbers
-- → a word for each order: ok | fenced | moved (nothing written: an added number is taken)
-- Repeated: the token is gone → fenced, which the worker takes as finished.
local ready, wait, lease, tok, red, vt, ctl, dead = unpack(KEYS, 1, 8)
local now = now_ms(ctl)
local at

local function pairs_of(count)
  local out = {}
  for i = 1, 2 * count, 2 do
    out[i] = 'i' .. ARGV[at]
    out[i + 1] = ARGV[at + 1]
    at = at + 2
  end
  return out
end
local function numbers(count, make)
  local out = {}
  for i = 1, count do
    make(out, ARGV[at])
    at = at + 1
  end
  return out
end

-- Whose lease is over, and where each goes: written together, behind the orders themselves.
local over, charged, again, settled = {}, {}, {}, {}
local function settle(key, holder)
  local ord, snp, led, env, parked = KEYS[key], KEYS[key + 1], KEYS[key + 2], KEYS[key + 3], KEYS[key + 4]
  local member, token, closed, opened, revision, wakes, dest, till, channel, line, redelivered = unpack(ARGV, at, at + 10)
  local nitems, nadded, nenvelopes, nreceipts, ndead = unpack(ARGV, at + 11, at + 15)
  at = at + 16
  local items = pairs_of(tonumber(nitems))
  local added = pairs_of(tonumber(nadded))
  local envelopes = numbers(tonumber(nenvelopes), function(out, no)
    out[#out + 1] = no
  end)
  local receipts = numbers(tonumber(nreceipts), function(out, no)
    for code = 1, 4 do
      out[#out + 1] = 'x' .. no .. '.' .. code
    end
  end)
  local deaths = numbers(tonumber(ndead), function(out, no)
    out[#out + 1] = member .. '#' .. no
  end)
  if holder ~= token or settled[member] then
    return 'fenced'
  end
  local look = { 'r', 'w', 'n', 'k', 'z' }
  for i = 1, #added, 2 do
    look[#look + 1] = added[i]
  end
  local head = redis.call('HMGET', ord, unpack(look))
  for i = 6, #look do
    if head[i] then
      return 'moved'
    end
  end
  settled[member] = true
  over[#over + 1] = member
  if redelivered ~= '0' then
    charged[#charged + 1] = member
  end
  if not head[1] then
    -- The order is gone (erased); nothing of it may come back.
    return 'fenced'
  end
  local moved = head[1] ~= revision or (head[2] or '0') ~= wakes
  local n = tonumber(head[3] or '0') - tonumber(closed) + tonumber(opened)
  if head[5] then
    n = n - redis.call('HDEL', ord, 'z')
  end
  -- A receipt that came after the worker read is not thrown away with those it has taken in.
  if #receipts > 0 and (head[2] or '0') == wakes then
    n = n - redis.call('HDEL', ord, unpack(receipts))
  end
  till = tonumber(till)
  -- The holder has just looked at every item: a miscount must not leave an open item where nobody looks.
  if n < 1 and dest ~= 'done' and not moved then
    n = 1
  end
  n = math.max(n, 0)
  for i = 1, #added do
    items[#items + 1] = added[i]
  end
  items[#items + 1] = 'n'
  items[#items + 1] = num(n)
  redis.call('HSET', ord, unpack(items))
  for _, name in ipairs(deaths) do
    redis.call('ZADD', dead, num(now), name)
  end
  if line ~= '' and redis.call('RPUSH', led, line) > tonumber(ARGV[1]) then
    redis.call('LTRIM', led, -tonumber(ARGV[1]), -1)
  end
  local stays = false
  if n == 0 then
    redis.call('DEL', env)
    redis.call('PEXPIRE', ord, ARGV[2])
    redis.call('PEXPIRE', snp, ARGV[2])
    redis.call('PEXPIRE', led, ARGV[3])
  else
    if #envelopes > 0 then
      redis.call('HDEL', env, unpack(envelopes))
    end
    if moved or dest == 'ready' or (dest ~= 'done' and till <= now) then
      again[#again + 1] = member
    elseif dest == 'wait' then
      redis.call('ZADD', wait, num(till), member)
    elseif dest == 'park' then
      -- The pause may have ended while the worker was deciding.
      if stands(ctl, channel, now) then
        redis.call('ZADD', parked, num(till), member)
        redis.call('HSET', ctl, 'k:' .. channel, '1')
        redis.call('HSET', ord, 'k', channel)
        stays = true
      else
        again[#again + 1] = member
      end
    else
      -- Done, and yet something is open: items of a newer binary. Looked at again, without spinning.
      redis.call('ZADD', wait, num(now + 30000), member)
    end
  end
  if head[4] and not stays then
    redis.call('HDEL', ord, 'k')
  end
  return 'ok'
end

local members, starts = {}, {}
at = 4
for key = 9, #KEYS, 5 do
  members[#members + 1] = ARGV[at]
  starts[#starts + 1] = at
  local items, added, envelopes, receipts, deaths = unpack(ARGV, at + 11, at + 15)
  at = at + 16 + 2 * (items + added) + envelopes + receipts + deaths
end
local holders = redis.call('HMGET', tok, unpack(members))
local out = {}
for i, start in ipairs(starts) do
  at = start
  out[i] = settle(4 + 5 * i, holders[i])
end
if #over > 0 then
  redis.call('ZREM', lease, unpack(over))
  redis.call('HDEL', tok, unpack(over))
  if #charged > 0 then
    redis.call('HDEL', red, unpack(charged))
  end
  to_ready(ready, vt, again)
end
return out
