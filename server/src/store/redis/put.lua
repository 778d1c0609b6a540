-- Writes a record if what is expected is so.
-- KEYS: the record, its lock. ARGV: expectation, its argument, new version, value, indexes, lifetime in milliseconds.
-- Returns {written, version before, indexes before}.
local before = redis.call('HMGET', KEYS[1], 'v', 'i')
local version = before[1]
if version == ARGV[3] then
  -- This very write, sent once more because its answer was lost.
  return {1, '', ''}
end
if ARGV[1] == 'absent' and version then return {0, '', ''} end
if ARGV[1] == 'version' and version ~= ARGV[2] then return {0, '', ''} end
if ARGV[1] == 'kept' and not version then return {0, '', ''} end
if ARGV[1] == 'held' or ARGV[1] == 'kept' then
  local lock = redis.call('HMGET', KEYS[2], 'f', 'u')
  if lock[1] ~= ARGV[2] or lock[2] == '0' then return {0, '', ''} end
end
redis.call('HSET', KEYS[1], 'v', ARGV[3], 'd', ARGV[4], 'i', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return {1, version or '', before[2] or ''}
