#!lua flags=allow-oom
-- append: a line of the ledger outside of commit and settle. Not for an order that was erased or is gone: its
-- ledger must not begin anew.
-- KEYS 1 ord  2 led
-- ARGV 1 line  2 longest ledger  3 ms to keep where nothing says so yet
-- → ok | gone. Repeated: the line stands there twice.
local ord, led = unpack(KEYS, 1, 2)
local head = redis.call('HMGET', ord, 'r', 'd')
if not head[1] or head[2] then
  return 'gone'
end
redis.call('RPUSH', led, ARGV[1])
redis.call('LTRIM', led, -tonumber(ARGV[2]), -1)
-- Where the ledger has an end already, that one stays; the order's next commit or settle sets its own.
redis.call('PEXPIRE', led, ARGV[3], 'NX')
return 'ok'
