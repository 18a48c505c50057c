#!lua flags=allow-oom
-- begin: records sends as about to happen, before anything goes out. Many orders of one partition a call.
-- KEYS 1 lease  2 tok  3 ctl  then (ord, env) for each ask
-- ARGV 1 how many asks, then the member of each; then for each:
--      token, revision decided on, expiry ms, channel, number of items, (number, item) each,
--      number of envelopes, (item number, envelope) each
-- → a word for each ask: go | moved | expired | fenced | paused
-- Repeated with the same token: go.
local lease, tok, ctl = unpack(KEYS, 1, 3)
local now = now_ms(ctl)
local asks = tonumber(ARGV[1])
local holders = redis.call('HMGET', tok, unpack(ARGV, 2, asks + 1))
local stops = redis.call('ZMSCORE', lease, unpack(ARGV, 2, asks + 1))
local still, out, at = {}, {}, asks + 2

local function fields(make)
  local list, count = {}, 2 * ARGV[at]
  for i = 1, count, 2 do
    list[i] = make .. ARGV[at + i]
    list[i + 1] = ARGV[at + i + 1]
  end
  at = at + 1 + count
  return list
end

for i = 1, asks do
  local ord, env = KEYS[2 + 2 * i], KEYS[3 + 2 * i]
  local token, revision, expiry, channel = unpack(ARGV, at, at + 3)
  at = at + 4
  local items = fields('i')
  local envelopes = fields('')
  if still[channel] == nil then
    still[channel] = stands(ctl, channel, now) or false
  end
  if holders[i] ~= token or not stops[i] or tonumber(stops[i]) <= now then
    out[i] = 'fenced'
  elseif tonumber(expiry) <= now then
    out[i] = 'expired'
  elseif still[channel] then
    out[i] = 'paused'
  elseif redis.call('HGET', ord, 'r') ~= revision then
    out[i] = 'moved'
  else
    if #items > 0 then
      redis.call('HSET', ord, unpack(items))
    end
    if #envelopes > 0 then
      redis.call('HSET', env, unpack(envelopes))
    end
    out[i] = 'go'
  end
end
return out
