/**
 * What happens to a sandbox in Redis, each as one script: Redis executes it whole and alone. All of a script's keys and
 * channels are in one hash slot. Every check comes before the first write, because an error undoes nothing. JSON passes
 * through unread: Lua's would break large integers and empty lists.
 *
 * `sync` is "1" when replicas have to acknowledge: the script then writes the partition's mark whatever it answers, so
 * that the WAIT behind it proves something also when nothing else was written.
 */
import { MARK, NOW } from "./pieces.ts";
import { defineScript } from "./script.ts";

/** Appends `ARGV[first]...` (seq, epoch, event, again and again) to `log` and answers the list of events as JSON. */
const APPEND = `
local function append(log, length, first)
  local events = {}
  for i = first, #ARGV, 3 do
    redis.call('XADD', log, 'MAXLEN', '~', length, ARGV[i] .. '-0', 'epoch', ARGV[i + 1], 'event', ARGV[i + 2])
    events[#events + 1] = ARGV[i + 2]
  end
  return events
end
local function publish(events, channel, lobby, view)
  if #events == 0 then return end
  redis.call('SPUBLISH', channel, '{"events":[' .. table.concat(events, ',') .. ']}')
  redis.call('SPUBLISH', lobby, '{"changed":' .. view .. '}')
end
local function setDeadline(due, id, dueAt)
  if dueAt == '' then redis.call('ZREM', due, id) else redis.call('ZADD', due, dueAt, id) end
end`;

/**
 * KEYS: box, log, due, ids, channel, lobby, mark. ARGV: sync, id, state, epoch, seq, dueAt or empty, log length, view,
 * then the events. Answers 1, or 0 when the id is taken. The version starts at the clock's microseconds, so that a
 * commit on a removed sandbox never fits the one made again under its id.
 */
export const CREATE = defineScript(
  `${NOW}${APPEND}
local mark = KEYS[7]${MARK}
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local events = append(KEYS[2], ARGV[7], 9)
local version = string.format('%.0f', time[1] * 1000000 + time[2])
redis.call('HSET', KEYS[1], 'version', version, 'state', ARGV[3], 'epoch', ARGV[4], 'seq', ARGV[5])
redis.call('ZADD', KEYS[4], 0, ARGV[2])
setDeadline(KEYS[3], ARGV[2], ARGV[6])
publish(events, KEYS[5], KEYS[6], ARGV[8])
return 1`,
  "writes",
);

/**
 * KEYS: box, log, due, records, channel, lobby, mark. ARGV: sync, id, state, epoch, seq, dueAt or empty, log length,
 * view, expected version, decided at, greatest age of a decision, record's key, record, records kept, then the events.
 * Answers { kind, version or record }. Records leave in the order they came: each version has its place in a ring. A
 * decision from the future was made by another server's clock, so its age is not known either.
 */
export const COMMIT = defineScript(
  `${NOW}${APPEND}
local mark = KEYS[7]${MARK}
local version = redis.call('HGET', KEYS[1], 'version')
if not version then return { 'missing' } end
local record = redis.call('HGET', KEYS[4], 'key:' .. ARGV[12])
if record then return { 'repeated', record } end
local age = now - tonumber(ARGV[10])
local greatest = tonumber(ARGV[11])
if version ~= ARGV[9] or age > greatest or age < -greatest then return { 'conflict' } end
local events = append(KEYS[2], ARGV[7], 15)
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'epoch', ARGV[4], 'seq', ARGV[5])
local committed = redis.call('HINCRBY', KEYS[1], 'version', 1)
local place = 'place:' .. string.format('%d', committed % tonumber(ARGV[14]))
local oldest = redis.call('HGET', KEYS[4], place)
if oldest then redis.call('HDEL', KEYS[4], 'key:' .. oldest) end
redis.call('HSET', KEYS[4], place, ARGV[12], 'key:' .. ARGV[12], ARGV[13])
setDeadline(KEYS[3], ARGV[2], ARGV[6])
publish(events, KEYS[5], KEYS[6], ARGV[8])
return { 'committed', committed }`,
  "writes",
);

/** KEYS: box, log, due, ids, channel, lobby, mark, records, roster. ARGV: sync, id, id as JSON. Answers 1 or 0. */
export const REMOVE = defineScript(
  `${NOW}
local mark = KEYS[7]${MARK}
if redis.call('DEL', KEYS[1]) == 0 then return 0 end
redis.call('DEL', KEYS[2], KEYS[8], KEYS[9])
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('ZREM', KEYS[4], ARGV[2])
redis.call('SPUBLISH', KEYS[5], '{"removed":true}')
redis.call('SPUBLISH', KEYS[6], '{"removed":' .. ARGV[3] .. '}')
return 1`,
  "writes",
);

const LOADED = `
local row = redis.call('HMGET', KEYS[1], 'version', 'state')
if not row[1] then return false end
return { row[1], row[2], now, ARGV[2] ~= '' and redis.call('HGET', KEYS[2], 'key:' .. ARGV[2]) or false }`;

/** KEYS: box, records. ARGV: unused, record's key or empty. Answers { version, state, now, record or nil } or nil. */
export const LOAD = defineScript(`${NOW}${LOADED}`, "no-writes");

/**
 * As `LOAD`, where a write would be allowed: a master that was replaced and knows it does not vouch. Writes the mark.
 * KEYS: box, records, mark. ARGV: sync, record's key or empty.
 */
export const CONFIRM = defineScript(
  `${NOW}
local mark = KEYS[3]${MARK}${LOADED}`,
  "writes",
);

/**
 * KEYS: box, log. ARGV: epoch, seq; both empty for no position. Answers nil, { 'snapshot', state } or { 'events', ... }.
 */
export const READ = defineScript(
  `
local row = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'state')
if not row[1] then return false end
local snapshot = { 'snapshot', row[3] }
if ARGV[2] == '' then return snapshot end
if ARGV[2] == row[2] then
  if ARGV[1] == row[1] then return { 'events' } else return snapshot end
end
local entries = redis.call('XRANGE', KEYS[2], ARGV[2] .. '-0', '+')
local first = entries[1]
if not first or first[1] ~= ARGV[2] .. '-0' or first[2][2] ~= ARGV[1] then return snapshot end
local answer = { 'events' }
for i = 2, #entries do answer[i] = entries[i][2][4] end
return answer`,
  "no-writes",
);

/** KEYS: the partitions' ids. ARGV: cursor or empty, limit. Answers at most limit ids after the cursor of each. */
export const IDS = defineScript(
  `
local from = ARGV[1] == '' and '-' or '(' .. ARGV[1]
local ids = {}
for _, key in ipairs(KEYS) do
  for _, id in ipairs(redis.call('ZRANGE', key, from, '+', 'BYLEX', 'LIMIT', 0, ARGV[2])) do ids[#ids + 1] = id end
end
return ids`,
  "no-writes",
);

/** KEYS: the partitions' deadlines. ARGV: limit. Answers id and deadline by turns, at most limit pairs of each. */
export const DUE = defineScript(
  `${NOW}
local found = {}
for _, key in ipairs(KEYS) do
  local pairs = redis.call('ZRANGE', key, '-inf', string.format('%d', now), 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
  for _, part in ipairs(pairs) do found[#found + 1] = part end
end
return found`,
  "no-writes",
);

/** KEYS: channel. ARGV: message. Answers how many hear it; refused by a master that was replaced and knows it. */
export const PROBE = defineScript(`return redis.call('SPUBLISH', KEYS[1], ARGV[1])`, "writes");

/** KEYS: mark. ARGV: "1". Writes, and nothing else. */
export const TOUCH = defineScript(`${NOW}\nlocal mark = KEYS[1]${MARK}\nreturn 1`, "writes");

/**
 * The living nodes are a sorted set: `<incarnation>/<nodeId>` by the time until which it lives. A node that is found
 * dead gets a new incarnation with its next beat, so that what an old one announced never shows again.
 * Incarnations have 16 characters.
 */
const FIND_NODE = `
local function find(nodeId)
  for _, member in ipairs(redis.call('ZRANGE', KEYS[1], string.format('(%d', now), '+inf', 'BYSCORE')) do
    if string.sub(member, 18) == nodeId then return member end
  end
  return false
end`;

/** KEYS: nodes. ARGV: node, ttl, an incarnation to use if it needs one. Answers { member, fresh 1 or 0, all members }. */
export const BEAT = defineScript(
  `${NOW}${FIND_NODE}
local known = find(ARGV[1])
local member = known or ARGV[3] .. '/' .. ARGV[1]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', now))
redis.call('ZADD', KEYS[1], string.format('%d', now + tonumber(ARGV[2])), member)
return { member, known and 0 or 1, redis.call('ZRANGE', KEYS[1], 0, -1) }`,
  "writes",
);

/** KEYS: nodes. ARGV: node. Answers its living member or nil. */
export const FIND = defineScript(`${NOW}${FIND_NODE}\nreturn find(ARGV[1])`, "no-writes");

/** KEYS: nodes. ARGV: node. */
export const LEAVE = defineScript(
  `${NOW}${FIND_NODE}
local known = find(ARGV[1])
if known then redis.call('ZREM', KEYS[1], known) end
return 1`,
  "writes",
);

/** KEYS: nodes. Answers the living members. */
export const LIVING = defineScript(
  `${NOW}\nreturn redis.call('ZRANGE', KEYS[1], string.format('(%d', now), '+inf', 'BYSCORE')`,
  "no-writes",
);

/**
 * KEYS: roster, channel. ARGV: the node's member or empty, what is announced as JSON, "1" when that is nobody.
 * A node that does not live is heard, not remembered.
 */
export const ANNOUNCE = defineScript(
  `
if ARGV[1] ~= '' then
  if ARGV[3] == '1' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
end
redis.call('SPUBLISH', KEYS[2], '{"roster":' .. ARGV[2] .. '}')
return 1`,
  "writes",
);
