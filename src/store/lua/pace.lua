#!lua flags=allow-oom
-- pace: a slice of an account's budget of the next second, shared by all processes (GCRA).
-- KEYS 1 rl
-- ARGV 1 how many are wanted  2 microseconds between two messages
-- → how many are granted. Repeated: grants again, the first grant is lost to nobody but us.
local rl = KEYS[1]
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local gap = tonumber(ARGV[2])
local free = math.max(tonumber(redis.call('GET', rl) or '0') or 0, now)
-- Nobody is granted further ahead: that was written before the clock was set back, and would hold all up for as long
-- as it was set back.
if free > now + math.max(1000000, gap) + gap then
  free = now
end
-- A burst of one second, or of one message where the pace is slower than that.
local room = math.max(now + 1000000, now + gap) - free
local granted = math.min(tonumber(ARGV[1]), math.floor(room / gap + 0.000001))
if granted < 1 then
  return 0
end
free = free + granted * gap
redis.call('SET', rl, num(free), 'PX', num(math.ceil((free - now) / 1000) + 1000))
return granted
