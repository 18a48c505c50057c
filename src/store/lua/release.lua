#!lua flags=allow-oom
-- release: gives leased orders back untouched, without a penalty.
-- KEYS 1 ready  2 lease  3 tok  4 vt
-- ARGV (member, token) each, at most 1,000 values
-- → how many were still ours. Repeated: none.
local ready, lease, tok, vt = unpack(KEYS, 1, 4)
local back = {}
for i = 1, #ARGV, 2 do
  if redis.call('HGET', tok, ARGV[i]) == ARGV[i + 1] then
    back[#back + 1] = ARGV[i]
  end
end
if #back > 0 then
  redis.call('ZREM', lease, unpack(back))
  redis.call('HDEL', tok, unpack(back))
  to_ready(ready, vt, back)
end
return #back
