-- Removes a record if what is expected is so.
-- KEYS: the record, its lock. ARGV: expectation, its argument.
-- Returns {version, value, indexes} of what was removed, or nothing.
local before = redis.call('HMGET', KEYS[1], 'v', 'd', 'i')
local version = before[1]
if not version then return false end
if ARGV[1] == 'absent' then return false end
if ARGV[1] == 'version' and version ~= ARGV[2] then return false end
if ARGV[1] == 'held' or ARGV[1] == 'kept' then
  local lock = redis.call('HMGET', KEYS[2], 'f', 'u')
  if lock[1] ~= ARGV[2] or lock[2] == '0' then return false end
end
redis.call('DEL', KEYS[1])
return before
