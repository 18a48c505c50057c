#!lua flags=allow-oom
-- mute: a channel is switched off or on for one order. Moves the revision: what was decided before no longer
-- begins.
-- KEYS 1 ord  2 ready  3 wait  4 vt  [5 parked:<k>]
-- ARGV 1 member  2 k assumed ('' none)  3 channel (4 bytes)  4 on or off
-- → ok | gone | full (16 channels) | k, <k in fact> (nothing written: call again with that key)
-- Repeated: it is so already → ok.
local ord, ready, wait, vt = unpack(KEYS, 1, 4)
local head = redis.call('HMGET', ord, 'r', 'n', 'k', 'm')
if not head[1] then
  return { 'gone' }
end
if (head[3] or '') ~= ARGV[2] then
  return { 'k', head[3] or '' }
end
local rest, muted = {}, head[4] or ''
for i = 1, #muted, 4 do
  local channel = string.sub(muted, i, i + 3)
  if channel ~= ARGV[3] then
    rest[#rest + 1] = channel
  end
end
if ARGV[4] == 'on' then
  rest[#rest + 1] = ARGV[3]
end
local now_muted = table.concat(rest)
if #now_muted == #muted then
  return { 'ok' }
end
if #now_muted > 64 then
  return { 'full' }
end
if now_muted == '' then
  redis.call('HDEL', ord, 'm')
else
  redis.call('HSET', ord, 'm', now_muted)
end
redis.call('HSET', ord, 'r', num(tonumber(head[1]) + 1))
redis.call('HINCRBY', ord, 'w', 1)
if tonumber(head[2] or '0') > 0 then
  rouse(ARGV[1], ready, wait, vt, KEYS[5])
end
return { 'ok' }
