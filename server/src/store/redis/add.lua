-- Adds to a counter, whose lifetime runs from its first addition.
-- KEYS: the counter. ARGV: how much, lifetime in milliseconds.
local value = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return value
