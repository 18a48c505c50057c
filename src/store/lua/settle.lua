#!lua flags=allow-oom
-- settle: the end of work on an order. Writes items, never the order itself, never its revision.
-- KEYS 1 ord  2 snp  3 led  4 env  5 ready  6 wait  7 lease  8 tok  9 red  10 vt  11 ctl  12 dead  [13 parked:<channel>]
-- ARGV 1 member  2 token  3 items closed  4 added items that are open  5 revision read  6 wakes read
--      7 where to: done ready wait park  8 until ms  9 channel to park at  10 ledger ('' none)  11 longest ledger
--      12 ms an order is kept  13 ms a ledger is kept
--      14 number of items  15 of added items  16 of envelopes to drop  17 of items whose receipts go  18 of dead
--      then: (number, item) each, (number, item) each, numbers, numbers, numbers
-- → ok | fenced | moved (nothing written: an added number is taken)
-- Repeated: the token is gone → fenced, which the worker takes as finished.
local ord, snp, led, env, ready, wait, lease, tok, red, vt, ctl, dead = unpack(KEYS, 1, 12)
local parked = KEYS[13]
local member = ARGV[1]
if redis.call('HGET', tok, member) ~= ARGV[2] then
  return 'fenced'
end
local at = 19
local function pairs_of(count)
  local out = {}
  for i = 1, count do
    out[#out + 1] = 'i' .. ARGV[at]
    out[#out + 1] = ARGV[at + 1]
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
local items = pairs_of(tonumber(ARGV[14]))
local added = pairs_of(tonumber(ARGV[15]))
local envelopes = numbers(tonumber(ARGV[16]), function(out, no)
  out[#out + 1] = no
end)
local receipts = numbers(tonumber(ARGV[17]), function(out, no)
  for code = 1, 4 do
    out[#out + 1] = 'x' .. no .. '.' .. code
  end
end)
local deaths = numbers(tonumber(ARGV[18]), function(out, no)
  out[#out + 1] = member .. '#' .. no
end)
for i = 1, #added, 2 do
  if redis.call('HEXISTS', ord, added[i]) == 1 then
    return 'moved'
  end
end

local now = now_ms(ctl)
local head = redis.call('HMGET', ord, 'r', 'w', 'n', 'k', 'z')
if not head[1] then
  -- The order is gone (erased); nothing of it may come back.
  redis.call('ZREM', lease, member)
  redis.call('HDEL', tok, member)
  redis.call('HDEL', red, member)
  return 'fenced'
end
local moved = head[1] ~= ARGV[5] or (head[2] or '0') ~= ARGV[6]
local n = tonumber(head[3] or '0') - tonumber(ARGV[3]) + tonumber(ARGV[4])
if head[5] then
  n = n - redis.call('HDEL', ord, 'z')
end
-- A receipt that came after the worker read is not thrown away with those it has taken in.
if #receipts > 0 and (head[2] or '0') == ARGV[6] then
  n = n - redis.call('HDEL', ord, unpack(receipts))
end
local dest, till = ARGV[7], tonumber(ARGV[8])
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
if #envelopes > 0 then
  redis.call('HDEL', env, unpack(envelopes))
end
for _, name in ipairs(deaths) do
  redis.call('ZADD', dead, num(now), name)
end
if ARGV[10] ~= '' and redis.call('RPUSH', led, ARGV[10]) > tonumber(ARGV[11]) then
  redis.call('LTRIM', led, -tonumber(ARGV[11]), -1)
end
redis.call('ZREM', lease, member)
redis.call('HDEL', tok, member)
redis.call('HDEL', red, member)

local stays = false
if n == 0 then
  redis.call('DEL', env)
  redis.call('PEXPIRE', ord, ARGV[12])
  redis.call('PEXPIRE', snp, ARGV[12])
  redis.call('PEXPIRE', led, ARGV[13])
elseif moved or dest == 'ready' or (dest ~= 'done' and till <= now) then
  to_ready(ready, vt, { member })
elseif dest == 'wait' then
  redis.call('ZADD', wait, num(till), member)
elseif dest == 'park' then
  -- The pause may have ended while the worker was deciding.
  if stands(ctl, ARGV[9], now) then
    redis.call('ZADD', parked, num(till), member)
    redis.call('HSET', ctl, 'k:' .. ARGV[9], '1')
    redis.call('HSET', ord, 'k', ARGV[9])
    stays = true
  else
    to_ready(ready, vt, { member })
  end
else
  -- Done, and yet something is open: items of a newer binary. Looked at again, without spinning.
  redis.call('ZADD', wait, num(now + 30000), member)
end
if head[4] and not stays then
  redis.call('HDEL', ord, 'k')
end
return 'ok'
