#!lua
-- odd: keeps an unreadable webhook; the oldest goes when there are too many.
-- KEYS 1 odd
-- ARGV 1 how many are kept  2 record  3 oldest id to keep  4 ms to keep
-- → 1 if an older one had to go for it, else 0. Repeated: it is kept twice.
local odd = KEYS[1]
redis.call('XTRIM', odd, 'MINID', '~', ARGV[3])
local full = redis.call('XLEN', odd) >= tonumber(ARGV[1])
redis.call('XADD', odd, 'MAXLEN', ARGV[1], '*', 'd', ARGV[2])
redis.call('PEXPIRE', odd, ARGV[4])
return full and 1 or 0
