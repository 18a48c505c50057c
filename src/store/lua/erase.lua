#!lua flags=allow-oom
-- erase: nothing of an order's contents stays. Whoever works on it loses the lease first. What remains is a
-- tombstone: a revision that no earlier read compares equal to, the moment, and the items without their address,
-- so that what is in flight finds it changed, webhooks that come again find it erased, and the end of each
-- message is still explained.
-- KEYS 1 ord  2 snp  3 led  4 env  5 ready  6 wait  7 lease  8 tok  9 red  10 dead  11 ctl  [12 parked:<k>]
-- ARGV 1 member  2 k assumed ('' none)  3 revision read (0: none)  4 ms of the moment  5 ms the tombstone is kept
--      (0: none is left)  6 items there, those of newer binaries included  then (number, as read, to be) each
-- → ok | conflict (nothing written: read again) | k, <k in fact> (nothing written: call again with that key)
-- Repeated: the revision moved → conflict; the caller reads again and finds it erased.
local ord, snp, led, env, ready, wait, lease, tok, red, dead, ctl = unpack(KEYS, 1, 11)
local parked = KEYS[12]
local member = ARGV[1]
local head = redis.call('HMGET', ord, 'r', 'k')
if (head[2] or '') ~= ARGV[2] then
  return { 'k', head[2] or '' }
end
if (head[1] or '0') ~= ARGV[3] then
  return { 'conflict' }
end
-- A settle does not move the revision: an item that it ended or added since is seen here.
local there = 0
for _, field in ipairs(redis.call('HKEYS', ord)) do
  if string.sub(field, 1, 1) == 'i' then
    there = there + 1
  end
end
if num(there) ~= ARGV[6] then
  return { 'conflict' }
end
local put, gone = {}, {}
for i = 7, #ARGV, 3 do
  if redis.call('HGET', ord, 'i' .. ARGV[i]) ~= ARGV[i + 1] then
    return { 'conflict' }
  end
  put[#put + 1] = 'i' .. ARGV[i]
  put[#put + 1] = ARGV[i + 2]
  gone[#gone + 1] = member .. '#' .. ARGV[i]
end
redis.call('HDEL', tok, member)
redis.call('ZREM', lease, member)
redis.call('ZREM', wait, member)
if parked then
  redis.call('ZREM', parked, member)
end
-- Taken out of `ready` its shop's next order comes a little later than it should; an order left there would
-- be one that is erased and still handed to workers.
redis.call('ZREM', ready, member)
redis.call('HDEL', red, member)
for _, name in ipairs(gone) do
  redis.call('ZREM', dead, name)
end
local revision = num(head[1] and tonumber(head[1]) + 1 or now_ms(ctl))
redis.call('DEL', ord, snp, led, env)
if ARGV[5] ~= '0' then
  redis.call('HSET', ord, 'r', revision, 'n', '0', 'd', ARGV[4])
  for i = 1, #put, 2 do
    redis.call('HSET', ord, put[i], put[i + 1])
  end
  redis.call('PEXPIRE', ord, ARGV[5])
end
return { 'ok' }
