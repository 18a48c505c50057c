#!lua flags=allow-oom
-- day: a place among the messages that one person may get within a day.
-- KEYS 1 day
-- ARGV 1 message  2 places  3 now ms  4 ms of a day
-- → 0: it has one | ms at which the next is free
-- Repeated for the same message: it keeps the place it has, for a day from now.
local day = KEYS[1]
local now, span = tonumber(ARGV[3]), tonumber(ARGV[4])
-- What lies further ahead than a day was written before the clock was set back, and would hold all up for as long.
redis.call('ZREMRANGEBYSCORE', day, '-inf', num(now - span))
redis.call('ZREMRANGEBYSCORE', day, '(' .. num(now + span), '+inf')
if not redis.call('ZSCORE', day, ARGV[1]) and redis.call('ZCARD', day) >= tonumber(ARGV[2]) then
  local oldest = redis.call('ZRANGE', day, 0, 0, 'WITHSCORES')
  return num(oldest[2] + span)
end
redis.call('ZADD', day, num(now), ARGV[1])
redis.call('PEXPIRE', day, num(span))
return '0'
