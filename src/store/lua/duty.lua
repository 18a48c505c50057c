#!lua flags=allow-oom
-- duty: what is to be done about people's data moves on, if it is still as read.
-- KEYS 1 open  2 done  3 version
-- ARGV 1 id  2 as read  3 as it is now ('' struck off)  4 what is remembered of it ('' nothing)
-- → ok | conflict (nothing written: asked anew meanwhile, or struck off)
-- Repeated: it is no longer as read → conflict; the caller reads again.
local open, done, version = unpack(KEYS, 1, 3)
if redis.call('HGET', open, ARGV[1]) ~= ARGV[2] then
  return 'conflict'
end
if ARGV[3] == '' then
  redis.call('HDEL', open, ARGV[1])
else
  redis.call('HSET', open, ARGV[1], ARGV[3])
end
if ARGV[4] ~= '' then
  redis.call('HSET', done, ARGV[1], ARGV[4])
end
redis.call('INCR', version)
return 'ok'
