#!lua flags=allow-oom
-- swap: unreadable webhooks, copied in another wrapping, take the place of what they were copied from, if nothing
-- came or went since.
-- KEYS 1 odd  2 the copy
-- ARGV 1 how many there were  2 id of the last
-- → ok | moved (nothing written). Repeated: the copy is gone → moved; the caller looks again.
local odd, copy = KEYS[1], KEYS[2]
local last = redis.call('XREVRANGE', odd, '+', '-', 'COUNT', '1')[1]
local there = num(redis.call('XLEN', odd))
if not last or last[1] ~= ARGV[2] or there ~= ARGV[1] or num(redis.call('XLEN', copy)) ~= ARGV[1] then
  return 'moved'
end
local left = redis.call('PTTL', odd)
redis.call('RENAME', copy, odd)
if left > 0 then
  redis.call('PEXPIRE', odd, left)
else
  redis.call('PERSIST', odd)
end
return 'ok'
