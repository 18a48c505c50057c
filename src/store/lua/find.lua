#!lua flags=allow-oom
-- find: where a message's id leads; if nowhere yet, the receipt is left there for `note`.
-- KEYS 1 msg
-- ARGV 1 the receipt as one line  2 ms to keep it
-- → where it leads | ''. Repeated: the same; a receipt is left once.
local msg = KEYS[1]
local there = redis.call('GET', msg) or ''
if string.sub(there, 1, 1) == 'i' then
  return there
end
if there == '' then
  redis.call('SET', msg, 'e\n' .. ARGV[1], 'PX', ARGV[2])
elseif #there < 1000 and not string.find(there, '\n' .. ARGV[1], 1, true) then
  redis.call('SET', msg, there .. '\n' .. ARGV[1], 'PX', ARGV[2])
end
return ''
