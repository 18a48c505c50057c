#!lua flags=allow-oom
-- gap: one message to one person at a time: the turn is taken, or the moment at which the next is free.
-- KEYS 1 gap
-- ARGV 1 who asks (order#item)  2 now, ms, by the caller's clock  3 ms between two messages  4 '1': it goes at once,
--      and only the next one waits
-- → 0 (the turn is theirs) | ms of the next turn
-- Repeated: whoever has the turn gets it again, and the next is counted from now.
local gap = KEYS[1]
local who, now, ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local at, had = string.match(redis.call('GET', gap) or '', '^(%d+):(.*)$')
at = tonumber(at)
-- A turn that lies ahead was taken before a clock was set back, and would hold all up for as long.
if ARGV[4] ~= '1' and at and had ~= who and at <= now + ms and now < at + ms then
  return at + ms
end
redis.call('SET', gap, num(now) .. ':' .. who, 'PX', num(ms + 1000))
return 0
