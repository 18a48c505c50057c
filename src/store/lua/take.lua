#!lua flags=allow-oom
-- take: a person's reply token, for the first who asks.
-- KEYS 1 who
-- → the token | nothing. Repeated: nothing; the message then goes as any other.
local who = KEYS[1]
local got = redis.call('HMGET', who, 't', 'e')
if not got[1] then
  return false
end
redis.call('HDEL', who, 't', 'e')
if tonumber(got[2] or '0') <= now_ms(who) then
  return false
end
return got[1]
