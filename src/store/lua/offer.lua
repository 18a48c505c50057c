#!lua
-- offer: a code lies ready for the first who shows it. Not allow-oom: a full server refuses it, and the page says so.
-- KEYS 1 code
-- ARGV 1 what it leads to, sealed  2 its end, ms
-- → ok. Repeated: it lies ready → ok, and who showed it already stays.
local code = KEYS[1]
redis.call('HSET', code, 'p', ARGV[1])
redis.call('PEXPIREAT', code, ARGV[2])
return 'ok'
