#!lua
-- commit: what a webhook told, folded into its order, with everything that is now owed. Only ever adds items.
-- Not allow-oom: a full server refuses it whole, and the sender is told so.
-- KEYS 1 ord  2 snp  3 led  4 ready  5 wait  6 lease  7 vt  8 ctl  [9 parked:<k>]
-- ARGV 1 member  2 revision read (0: none)  3 k read ('' none)  4 due ms ('' none)  5 new items that are open
--      6 snapshot  7 ledger ('' none)  8 longest ledger  9 ms an order is kept  10 ms a ledger is kept
--      11 seconds until which `seen` counts  12 number of seen  13 of forgotten  14 of items
--      then: seen digests, forgotten digests, (number, item) each
-- → ok, revision | dup | conflict
-- Repeated: its own digests are known → dup. A commit without digests repeated: the revision moved → conflict.
local ord, snp, led, ready, wait, lease, vt, ctl = unpack(KEYS, 1, 8)
local parked = KEYS[9]
local member, due, opened = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5])
local nseen, nforget, nitems = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])
local at = 15

-- One look at all that decides: the head, then what must be unknown: digests first, numbers of items behind.
local look, forget, put = { 'r', 'k', 'n' }, {}, {}
for i = 1, nseen do
  local digest = 's' .. ARGV[at]
  look[3 + i] = digest
  put[2 * i - 1] = digest
  put[2 * i] = ARGV[11]
  at = at + 1
end
for i = 1, nforget do
  forget[i] = 's' .. ARGV[at]
  at = at + 1
end
for i = 1, nitems do
  local item = 'i' .. ARGV[at]
  look[3 + nseen + i] = item
  put[2 * (nseen + i) - 1] = item
  put[2 * (nseen + i)] = ARGV[at + 1]
  at = at + 2
end
local head = redis.call('HMGET', ord, unpack(look))
for i = 4, 3 + nseen do
  if head[i] then
    return { 'dup' }
  end
end
if (head[1] or '0') ~= ARGV[2] or (head[2] or '') ~= ARGV[3] then
  return { 'conflict' }
end
for i = 4 + nseen, 3 + nseen + nitems do
  -- A worker's settle may have added an item of this number; it does not move the revision.
  if head[i] then
    return { 'conflict' }
  end
end

local now = now_ms(ctl)
-- The first revision is the time, so that an order deleted and made again never passes an old comparison.
local revision = num(head[1] and tonumber(head[1]) + 1 or now)
local before = tonumber(head[3] or '0')
local n = before + opened
if nforget > 0 then
  redis.call('HDEL', ord, unpack(forget))
end
put[#put + 1] = 'r'
put[#put + 1] = revision
put[#put + 1] = 'n'
put[#put + 1] = num(n)
redis.call('HSET', ord, unpack(put))
if ARGV[7] ~= '' and redis.call('RPUSH', led, ARGV[7]) > tonumber(ARGV[8]) then
  redis.call('LTRIM', led, -tonumber(ARGV[8]), -1)
end
if n > 0 then
  -- Nothing with something open has a time to live.
  redis.call('SET', snp, ARGV[6])
  if before <= 0 and head[1] then
    redis.call('PERSIST', ord)
    redis.call('PERSIST', led)
  end
else
  redis.call('SET', snp, ARGV[6], 'PX', ARGV[9])
  redis.call('PEXPIRE', ord, ARGV[9])
  redis.call('PEXPIRE', led, ARGV[10])
end

if opened > 0 and not due then
  due = now
end
-- A new order lies nowhere yet.
local known = head[1]
if due and n > 0 and not (known and (redis.call('ZSCORE', lease, member) or redis.call('ZSCORE', ready, member))) then
  local stands_parked = parked and redis.call('ZSCORE', parked, member)
  if due <= now then
    if known then
      redis.call('ZREM', stands_parked and parked or wait, member)
    end
    to_ready(ready, vt, { member })
  elseif stands_parked then
    -- It stays parked, so that the channel's return still finds it, and comes out when the new item is due.
    redis.call('ZADD', parked, 'LT', num(due), member)
  else
    redis.call('ZADD', wait, 'LT', num(due), member)
  end
end
return { 'ok', revision }
