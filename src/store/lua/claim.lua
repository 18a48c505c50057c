#!lua flags=allow-oom
-- claim: the right to go on with a run, for one holder at a time.
-- KEYS 1 hold
-- ARGV 1 holder  2 ms
-- → 1 ours | 0 another's. Repeated by the holder: prolongs it.
local hold = KEYS[1]
local holder = redis.call('GET', hold)
if holder and holder ~= ARGV[1] then
  return 0
end
redis.call('SET', hold, ARGV[1], 'PX', ARGV[2])
return 1
