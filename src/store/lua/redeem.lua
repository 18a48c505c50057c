#!lua flags=allow-oom
-- redeem: somebody shows a code. The first who does has it; it leads them on as often as they come.
-- KEYS 1 code
-- ARGV 1 who, a keyed name
-- → what it leads to, mine | other's | nothing: there is none. Repeated by the same: mine.
local code = KEYS[1]
local known = redis.call('HMGET', code, 'p', 'w')
if not known[1] then
  return {}
end
if not known[2] then
  redis.call('HSET', code, 'w', ARGV[1])
elseif known[2] ~= ARGV[1] then
  return { known[1], 'other' }
end
return { known[1], 'mine' }
