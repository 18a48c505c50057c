#!lua flags=allow-oom
-- wake: an order is looked at again now; whoever works on it sees at settle that it was woken.
-- KEYS 1 ord  2 ready  3 wait  4 vt  [5 parked:<k>]
-- ARGV 1 member  2 k assumed ('' none)
-- → ok | gone | k, <k in fact> (nothing written: call again with that key)
-- Repeated: it is looked at once more.
local ord, ready, wait, vt = unpack(KEYS, 1, 4)
local head = redis.call('HMGET', ord, 'r', 'n', 'k')
if not head[1] then
  return { 'gone' }
end
if (head[3] or '') ~= ARGV[2] then
  return { 'k', head[3] or '' }
end
redis.call('HINCRBY', ord, 'w', 1)
if tonumber(head[2] or '0') > 0 then
  rouse(ARGV[1], ready, wait, vt, KEYS[5])
end
return { 'ok' }
