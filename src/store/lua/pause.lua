#!lua flags=allow-oom
-- pause: a channel stands still until then. A longer pause in force stays: a breaker must not shorten an
-- operator's.
-- KEYS 1 ctl
-- ARGV 1 channel  2 until ms  3 reason
-- → set | kept. Repeated: kept.
local ctl = KEYS[1]
local field = 'p:' .. ARGV[1]
local old = redis.call('HGET', ctl, field)
local till = old and tonumber(string.match(old, '^%d+'))
if till and till >= tonumber(ARGV[2]) then
  return 'kept'
end
redis.call('HSET', ctl, field, ARGV[2] .. ':' .. ARGV[3])
return 'set'
