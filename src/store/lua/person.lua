#!lua
-- person: a change of what is known of a person on a channel account. The facts are sealed, so the caller
-- merges and this compares. Not allow-oom, like commit: refused whole, and the callback is sent again.
-- KEYS 1 who
-- ARGV 1 change read (0: none)  2 event digest ('' none)  3 seconds until which it counts  4 facts
--      5 token ('' none)  6 its end ms  7 ms to keep ('' for ever)  8 number of fields to drop  9 of watches to wake
--      10 of watches to add, then: fields, watch names, (watch name, until seconds) each
-- → ok | dup | conflict (read again)
-- Repeated: the event is known → dup.
local who = KEYS[1]
local digest = 's' .. ARGV[2]
if ARGV[2] ~= '' and redis.call('HEXISTS', who, digest) == 1 then
  return 'dup'
end
local change = redis.call('HGET', who, 'c') or '0'
if change ~= ARGV[1] then
  return 'conflict'
end
local at, drop, put = 11, {}, { 'c', num(tonumber(change) + 1) }
for i = 1, tonumber(ARGV[8]) do
  drop[#drop + 1] = ARGV[at]
  at = at + 1
end
for i = 1, tonumber(ARGV[9]) do
  drop[#drop + 1] = 'o' .. ARGV[at]
  put[#put + 1] = 'k' .. ARGV[at]
  put[#put + 1] = '1'
  at = at + 1
end
for i = 1, tonumber(ARGV[10]) do
  put[#put + 1] = 'o' .. ARGV[at]
  put[#put + 1] = ARGV[at + 1]
  at = at + 2
end
if ARGV[2] ~= '' then
  put[#put + 1] = digest
  put[#put + 1] = ARGV[3]
end
if ARGV[4] ~= '' then
  put[#put + 1] = 'f'
  put[#put + 1] = ARGV[4]
end
if ARGV[5] ~= '' then
  put[#put + 1] = 't'
  put[#put + 1] = ARGV[5]
  put[#put + 1] = 'e'
  put[#put + 1] = ARGV[6]
end
if #drop > 0 then
  redis.call('HDEL', who, unpack(drop))
end
redis.call('HSET', who, unpack(put))
if ARGV[7] == '' then
  redis.call('PERSIST', who)
else
  redis.call('PEXPIRE', who, ARGV[7])
end
return 'ok'
