/** What all nodes share beside sandboxes: marks and the audit log. The rules of `scripts.ts` hold here too. */
import { MARK, NOW } from "./pieces.ts";
import { defineScript } from "./script.ts";

/**
 * KEYS: values, order, expiry, versions, mark. ARGV: sync, id, value, until, most marks, most that expire at once,
 * versions kept. Answers { 'stands', value } or { 'full' }. Versions grow with the clock's microseconds, so that those
 * which a restored copy of the data has lost are not given again.
 */
export const SET_MARK = defineScript(
  `${NOW}
local mark = KEYS[5]${MARK}
local known = redis.call('ZSCORE', KEYS[3], ARGV[2])
if known and tonumber(known) > now then return { 'stands', redis.call('HGET', KEYS[1], ARGV[2]) } end
if tonumber(ARGV[4]) <= now then return { 'stands', ARGV[3] } end
local expired = redis.call('ZRANGE', KEYS[3], '-inf', string.format('%d', now), 'BYSCORE', 'LIMIT', 0, ARGV[6])
if not known and #expired == 0 and redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[5]) then return { 'full' } end
for _, id in ipairs(expired) do
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
end
local newest = tonumber(redis.call('ZRANGE', KEYS[4], -1, -1)[1] or '0')
local version = string.format('%.0f', math.max(newest + 1, time[1] * 1000000 + time[2]))
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[2], version, ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[2])
redis.call('ZADD', KEYS[4], version, version)
redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -1 - tonumber(ARGV[7]))
return { 'stands', ARGV[3] }`,
  "writes",
);

/**
 * KEYS: values, order, expiry, versions. ARGV: version, limit, "1" when the version need not be known.
 * Answers { newest version, "1" for a reset, version to go on after or empty, then id, value, until again and again }.
 */
export const MARKS_SINCE = defineScript(
  `
local newest = redis.call('ZRANGE', KEYS[4], -1, -1)[1] or '0'
if newest == ARGV[1] then return { newest, '0', '' } end
local from = ARGV[1]
local reset = from ~= '0' and ARGV[3] ~= '1' and not redis.call('ZSCORE', KEYS[4], from)
if reset then from = '0' end
${NOW}
local ids = redis.call('ZRANGE', KEYS[2], '(' .. from, '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
local answer = { newest, reset and '1' or '0', #ids == 2 * tonumber(ARGV[2]) and ids[#ids] or '' }
for i = 1, #ids, 2 do
  local expiry = redis.call('ZSCORE', KEYS[3], ids[i])
  if tonumber(expiry) > now then
    answer[#answer + 1] = ids[i]
    answer[#answer + 1] = redis.call('HGET', KEYS[1], ids[i])
    answer[#answer + 1] = expiry
  end
end
return answer`,
  "no-writes",
);

/**
 * KEYS: audit, mark. ARGV: sync, expected seq, expected hash, lines kept, then seq, hash, text again and again.
 * Answers 1, or 0 when the log does not end as expected.
 */
export const APPEND_AUDIT = defineScript(
  `${NOW}
local mark = KEYS[2]${MARK}
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if (last and last[1] or '0-0') ~= ARGV[2] .. '-0' or (last and last[2][2] or '') ~= ARGV[3] then return 0 end
for i = 5, #ARGV, 3 do
  redis.call('XADD', KEYS[1], ARGV[i] .. '-0', 'hash', ARGV[i + 1], 'text', ARGV[i + 2])
end
redis.call('XTRIM', KEYS[1], 'MAXLEN', '=', ARGV[4])
return 1`,
  "writes",
);
