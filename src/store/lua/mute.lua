#!lua flags=allow-oom
-- mute: a channel is switched off or on for one order. Moves the revision: what was decided before no longer
-- begins.
-- KEYS 1 ord  2 ready  3 wait  4 vt  [5 parked:<k>]
-- Those that the shop's people switched stand in 'mh' besides: the customer does not lift them.
-- ARGV 1 member  2 k assumed ('' none)  3 channel (4 bytes)  4 on or off  5 shop or person
-- → ok | gone | full (16 channels) | held (by the shop) | k, <k in fact> (nothing written: call again with that key)
-- Repeated: it is so already → ok.
local ord, ready, wait, vt = unpack(KEYS, 1, 4)
local head = redis.call('HMGET', ord, 'r', 'n', 'k', 'm', 'mh')
if not head[1] then
  return { 'gone' }
end
if (head[3] or '') ~= ARGV[2] then
  return { 'k', head[3] or '' }
end
local function with(list, on)
  local rest = {}
  for i = 1, #list, 4 do
    local channel = string.sub(list, i, i + 3)
    if channel ~= ARGV[3] then
      rest[#rest + 1] = channel
    end
  end
  local others = table.concat(rest)
  return on and others .. ARGV[3] or others, #others < #list
end
local on, shop = ARGV[4] == 'on', ARGV[5] == 'shop'
local muted, held = head[4] or '', head[5] or ''
local by_shop, is_held = with(held, on)
if is_held and not on and not shop then
  return { 'held' }
end
local now_muted = with(muted, on)
if #now_muted > 64 then
  return { 'full' }
end
if shop and #by_shop ~= #held then
  if by_shop == '' then
    redis.call('HDEL', ord, 'mh')
  else
    redis.call('HSET', ord, 'mh', by_shop)
  end
end
if #now_muted == #muted then
  return { 'ok' }
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
