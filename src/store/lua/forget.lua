#!lua flags=allow-oom
-- forget: takes a person off the list of those whose orders may have to be woken, unless listed anew.
-- KEYS 1 wake
-- ARGV 1 person  2 score as read
-- → 1 | 0. Repeated: 0.
local list = KEYS[1]
if redis.call('ZSCORE', list, ARGV[1]) == ARGV[2] then
  return redis.call('ZREM', list, ARGV[1])
end
return 0
