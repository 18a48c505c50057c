#!lua flags=allow-oom
-- purge: unreadable webhooks go, or are replaced by the same sealed anew. XDEL alone only marks an entry: its bytes
-- would stay in the stream's node, and in every rewritten log, until all of the node is gone. So the stream is
-- written anew, with the same ids and the same end. It is bounded (`odd`), and so is this.
-- KEYS 1 odd
-- ARGV (id, record) each; an empty record: the entry goes
-- → how many were there. Repeated: those gone are not there any more, those replaced are replaced again.
local odd = KEYS[1]
local change, found = {}, 0
for i = 1, #ARGV, 2 do
  change[ARGV[i]] = ARGV[i + 1]
end
local all = redis.call('XRANGE', odd, '-', '+')
for _, entry in ipairs(all) do
  if change[entry[1]] then
    found = found + 1
  end
end
if found == 0 then
  return 0
end
local left = redis.call('PTTL', odd)
redis.call('DEL', odd)
for _, entry in ipairs(all) do
  local record = change[entry[1]] or entry[2][2]
  if record ~= '' then
    redis.call('XADD', odd, entry[1], 'd', record)
  end
end
if left > 0 then
  redis.call('PEXPIRE', odd, num(left))
end
return found
