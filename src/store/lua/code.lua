#!lua flags=allow-oom
-- code: a one-time code is laid down, in place of an older one, or tried.
-- KEYS 1 code
-- ARGV 1 put or try  2 keyed hash of the code  3 ms it is kept (put), tries it allows (try)
-- → ok (put: it lies there; try: it was this one, and is used) | no
-- Repeated: put the same; a try that had been right is no more.
local code = KEYS[1]
if ARGV[1] == 'put' then
  redis.call('HSET', code, 'h', ARGV[2], 't', '0')
  redis.call('PEXPIRE', code, ARGV[3])
  return 'ok'
end
local kept = redis.call('HGET', code, 'h')
if not kept then
  return 'no'
end
if kept == ARGV[2] then
  redis.call('DEL', code)
  return 'ok'
end
if redis.call('HINCRBY', code, 't', 1) >= tonumber(ARGV[3]) then
  redis.call('DEL', code)
end
return 'no'
