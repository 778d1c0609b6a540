-- Releases a lock, if nobody got it after this fence.
-- KEYS: the lock. ARGV: the fence.
local lock = redis.call('HMGET', KEYS[1], 'f', 'u')
if lock[1] ~= ARGV[1] or lock[2] == '0' then return 0 end
redis.call('HSET', KEYS[1], 'u', '0')
return 1
