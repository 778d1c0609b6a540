-- Takes a lock that nobody holds.
-- KEYS: the lock. ARGV: lease in milliseconds, who asks, how many milliseconds the fence is remembered.
-- Returns the fence, or nothing.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lock = redis.call('HMGET', KEYS[1], 'f', 'u', 'o')
if lock[3] == ARGV[2] then
  -- This very request, sent once more because its answer was lost.
  return lock[1]
end
if lock[2] and tonumber(lock[2]) > now then return false end
-- By the time, so that a fence grows also where the one before it is forgotten.
local fence = time[1] * 1000000 + time[2]
if lock[1] and tonumber(lock[1]) >= fence then fence = tonumber(lock[1]) + 1 end
local told = string.format('%.0f', fence)
redis.call('HSET', KEYS[1], 'f', told, 'u', string.format('%.0f', now + ARGV[1]), 'o', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return told
