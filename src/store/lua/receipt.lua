#!lua flags=allow-oom
-- receipt: what a provider says of a message lies down with its order, to be taken in by the next holder.
-- A receipt not yet taken in counts as something open.
-- KEYS 1 ord  2 snp  3 led  4 ready  5 wait  6 vt  [7 parked:<k>]
-- ARGV 1 member  2 k assumed ('' none)  3 item number  4 code  5 value
-- → ok | gone | k, <k in fact> (nothing written: call again with that key)
-- Repeated: it lies there already → ok.
local ord, snp, led, ready, wait, vt = unpack(KEYS, 1, 6)
local field = 'x' .. ARGV[3] .. '.' .. ARGV[4]
local head = redis.call('HMGET', ord, 'r', 'n', 'k', 'i' .. ARGV[3], field, 'd')
-- What is said of a message of an erased order is of no use to anybody, and must not keep its tombstone alive.
if not head[1] or not head[4] or head[6] then
  return { 'gone' }
end
if (head[3] or '') ~= ARGV[2] then
  return { 'k', head[3] or '' }
end
if head[5] then
  return { 'ok' }
end
local n = tonumber(head[2] or '0')
redis.call('HSET', ord, field, ARGV[5], 'n', num(n + 1))
redis.call('HINCRBY', ord, 'w', 1)
if n > 0 then
  rouse(ARGV[1], ready, wait, vt, KEYS[7])
else
  redis.call('PERSIST', ord)
  redis.call('PERSIST', snp)
  redis.call('PERSIST', led)
  to_ready(ready, vt, { ARGV[1] })
end
return { 'ok' }
