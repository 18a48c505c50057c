#!lua flags=allow-oom
-- stand: what a provider said of its account: it stands still until then, or moves again. An older word that comes
-- late (it lay on disk) does not undo a newer one.
-- KEYS 1 ctl
-- ARGV 1 channel  2 when it was said, ms  3 until ms ('' it moves)  4 reason
-- → set | old (nothing written: something newer was said). Repeated: set, and nothing changes.
local ctl = KEYS[1]
local pause, word = 'p:' .. ARGV[1], 'w:' .. ARGV[1]
local said = redis.call('HMGET', ctl, word, pause)
if said[1] and tonumber(said[1]) > tonumber(ARGV[2]) then
  return 'old'
end
redis.call('HSET', ctl, word, ARGV[2])
if ARGV[3] == '' then
  redis.call('HDEL', ctl, pause)
  return 'set'
end
local till = said[2] and tonumber(string.match(said[2], '^%d+'))
if not till or till < tonumber(ARGV[3]) then
  redis.call('HSET', ctl, pause, ARGV[3] .. ':' .. ARGV[4])
end
return 'set'
