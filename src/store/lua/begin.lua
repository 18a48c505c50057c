#!lua flags=allow-oom
-- begin: records sends as about to happen, before anything goes out. Many orders of one partition a call.
-- KEYS 1 lease  2 tok  3 ctl  then (ord, env) for each ask
-- ARGV for each ask: member, token, revision decided on, expiry ms, channel, number of items,
--      (number, item) each, number of envelopes, (item number, envelope) each
-- → a word for each ask: go | moved | expired | fenced | paused
-- Repeated with the same token: go.
local lease, tok, ctl = unpack(KEYS, 1, 3)
local now = now_ms(ctl)
local out, at = {}, 1
for key = 4, #KEYS, 2 do
  local ord, env = KEYS[key], KEYS[key + 1]
  local member, token, revision, expiry, channel = unpack(ARGV, at, at + 4)
  local items, envelopes = {}, {}
  at = at + 5
  local n = tonumber(ARGV[at])
  for i = 1, n do
    items[#items + 1] = 'i' .. ARGV[at + 1]
    items[#items + 1] = ARGV[at + 2]
    at = at + 2
  end
  at = at + 1
  n = tonumber(ARGV[at])
  for i = 1, n do
    envelopes[#envelopes + 1] = ARGV[at + 1]
    envelopes[#envelopes + 1] = ARGV[at + 2]
    at = at + 2
  end
  at = at + 1
  local stop = redis.call('ZSCORE', lease, member)
  if redis.call('HGET', tok, member) ~= token or not stop or tonumber(stop) <= now then
    out[#out + 1] = 'fenced'
  elseif tonumber(expiry) <= now then
    out[#out + 1] = 'expired'
  elseif stands(ctl, channel, now) then
    out[#out + 1] = 'paused'
  elseif redis.call('HGET', ord, 'r') ~= revision then
    out[#out + 1] = 'moved'
  else
    if #items > 0 then
      redis.call('HSET', ord, unpack(items))
    end
    if #envelopes > 0 then
      redis.call('HSET', env, unpack(envelopes))
    end
    out[#out + 1] = 'go'
  end
end
return out
