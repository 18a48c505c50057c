#!lua flags=allow-oom
-- change: an operator ends items. Whoever works on the order loses the lease first.
-- KEYS 1 ord  2 snp  3 led  4 env  5 ready  6 wait  7 lease  8 tok  9 vt  [10 parked:<k>]
-- ARGV 1 member  2 k assumed ('' none)  3 items closed  4 ledger ('' none)  5 longest ledger
--      6 ms an order is kept  7 ms a ledger is kept  then (number, item as read, item to be) each
-- → ok | conflict (nothing written) | k, <k in fact> (nothing written: call again with that key)
-- Repeated: the items are no longer as read → conflict; the caller reads again and finds it done.
local ord, snp, led, env, ready, wait, lease, tok, vt = unpack(KEYS, 1, 9)
local parked = KEYS[10]
local member = ARGV[1]
local head = redis.call('HMGET', ord, 'n', 'k')
if not head[1] then
  return { 'conflict' }
end
if (head[2] or '') ~= ARGV[2] then
  return { 'k', head[2] or '' }
end
local put = {}
for i = 8, #ARGV, 3 do
  if redis.call('HGET', ord, 'i' .. ARGV[i]) ~= ARGV[i + 1] then
    return { 'conflict' }
  end
  put[#put + 1] = 'i' .. ARGV[i]
  put[#put + 1] = ARGV[i + 2]
end
local n = tonumber(head[1]) - tonumber(ARGV[3])
if redis.call('ZREM', lease, member) == 1 then
  redis.call('HDEL', tok, member)
  to_ready(ready, vt, { member })
end
if n < 1 and redis.call('ZSCORE', ready, member) then
  -- Taking it out of `ready` would leave the shop's next order behind everybody: it is leased empty instead,
  -- and counts as open until then.
  put[#put + 1] = 'z'
  put[#put + 1] = '1'
  n = 1
end
put[#put + 1] = 'n'
put[#put + 1] = num(math.max(n, 0))
redis.call('HSET', ord, unpack(put))
if ARGV[4] ~= '' and redis.call('RPUSH', led, ARGV[4]) > tonumber(ARGV[5]) then
  redis.call('LTRIM', led, -tonumber(ARGV[5]), -1)
end
if n < 1 then
  redis.call('ZREM', wait, member)
  if parked then
    redis.call('ZREM', parked, member)
  end
  redis.call('DEL', env)
  redis.call('PEXPIRE', ord, ARGV[6])
  redis.call('PEXPIRE', snp, ARGV[6])
  redis.call('PEXPIRE', led, ARGV[7])
else
  rouse(member, ready, wait, vt, parked)
end
return { 'ok' }
