/** Lua that several scripts begin with. */
/** Epoch milliseconds, as a Lua number. TIME is asked once per script. */
export const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

/** When replicas have to acknowledge (`sync`): expects the key in `mark`, and `NOW` before it. */
export const MARK = `
if ARGV[1] == '1' then redis.call('SET', mark, string.format('%d', now)) end`;
