#!lua flags=allow-oom
-- extend: prolongs leases that are still the caller's and have not ended.
-- KEYS 1 lease  2 tok  3 ctl
-- ARGV 1 ms of the lease  then (member, token) each
-- → 1 or 0 for each. Repeated: the same, counted from then.
local lease, tok, ctl = unpack(KEYS, 1, 3)
local now = now_ms(ctl)
local stop = num(now + tonumber(ARGV[1]))
local out = {}
for i = 2, #ARGV, 2 do
  local old = redis.call('ZSCORE', lease, ARGV[i])
  if old and tonumber(old) > now and redis.call('HGET', tok, ARGV[i]) == ARGV[i + 1] then
    redis.call('ZADD', lease, 'XX', 'GT', stop, ARGV[i])
    out[#out + 1] = 1
  else
    out[#out + 1] = 0
  end
end
return out
