#!lua flags=allow-oom
-- reseal: records of one key in another wrapping, each if it is still as read. Nothing else of the key changes, nor
-- how long it is kept.
-- KEYS 1 the key
-- ARGV for each record: how it lies there (string, field, line), its field or its place in the list, as read, as to be
-- → how many were as read. Repeated: none is, and none is written.
local key = KEYS[1]
local done = 0
for i = 1, #ARGV, 4 do
  local lies, name, old, new = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if lies == 'string' and redis.call('GET', key) == old then
    redis.call('SET', key, new, 'KEEPTTL')
    done = done + 1
  elseif lies == 'field' and redis.call('HGET', key, name) == old then
    redis.call('HSET', key, name, new)
    done = done + 1
  elseif lies == 'line' and redis.call('LINDEX', key, name) == old then
    redis.call('LSET', key, name, new)
    done = done + 1
  end
end
return done
