#!lua flags=allow-oom
-- unknow: a person is forgotten, but for a refusal to be written to: what stays is that, under the keyed name.
-- KEYS 1 who
-- ARGV 1 change read (0: none)  2 facts that stay ('' none: all goes)
-- → ok | conflict (read again). Repeated: the change moved, or there is nothing → read again, nothing to do.
local who = KEYS[1]
local change = redis.call('HGET', who, 'c') or '0'
if change ~= ARGV[1] then
  return 'conflict'
end
redis.call('DEL', who)
if ARGV[2] ~= '' then
  redis.call('HSET', who, 'c', num(tonumber(change) + 1), 'f', ARGV[2])
end
return 'ok'
