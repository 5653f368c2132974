/** Parses the output of `perf trace -T` and `strace -f -ttt -T` into a list of system calls. */

/**
 * @typedef {object} Event
 * @property {number} process
 * @property {string} call
 * @property {string} args as printed by the tracer
 * @property {number} result NaN if there is none
 * @property {number} start milliseconds
 * @property {number} duration milliseconds
 */

/**
 * A line is `TIME (DURATION): COMM/PID call(args) = result`. When lines of other processes interrupt a call, it has two lines: the first
 * ends in `...`, and the second, marked [continued], has the duration and the result.
 * @returns {Event[]} in order of time
 */
export function parsePerfTrace(text) {
  const pattern = /^\s*([\d.?]+) \(\s*([\d.]*)(?: ms)?\s*\): .*?\/(\d+) +(\.\.\. \[continued\]: )?(\w+)\((.*)\)\s+(?:= (-?\w+)|\.\.\.)/;
  return collect(text, pattern, ([, time, duration, process, continued, call, args, result]) => ({
    ends: continued !== undefined,
    event: {
      process: Number(process),
      call,
      args,
      result: Number(result),
      start: Number(time),
      duration: Number(duration || 0),
    },
  }));
}

/**
 * A line is `PID TIME call(args) = result <SECONDS>`. An interrupted call has two: `<unfinished ...>` and `<... call resumed>`.
 * @returns {Event[]} in order of time
 */
export function parseStrace(text) {
  const pattern = /^(\d+) +([\d.]+) (<\.\.\. )?(\w+)(?:\(| resumed>)(.*?)(?:<unfinished \.\.\.>|= (-?\w+)[^<]*(?:<([\d.]+)>)?)$/;
  return collect(text, pattern, ([, process, time, resumed, call, args, result, seconds]) => ({
    ends: resumed !== undefined,
    event: {
      process: Number(process),
      call,
      args,
      result: Number(result),
      start: Number(time) * 1000,
      duration: Number(seconds ?? 0) * 1000,
    },
  }));
}

function collect(text, pattern, read) {
  const events = [];
  const open = new Map(); // process -> its unfinished call
  for (const line of text.split("\n")) {
    const match = pattern.exec(line);
    if (!match) continue; // signals, exits
    const { ends, event } = read(match);
    const unfinished = open.get(event.process);
    if (!ends) {
      open.set(event.process, event);
      events.push(event);
    } else if (unfinished?.call === event.call) {
      Object.assign(unfinished, { result: event.result, duration: event.duration });
    }
  }
  return events.sort((a, b) => a.start - b.start);
}
