/** The command line of the demo. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';

export interface Options {
  runMs: number;
  nodes: number;
  crashEveryMs: number;
  shards: number;
  poller: 'thread' | 'inline';
}

export const USAGE = `Raft leader elections among nodes on this machine: real sockets, real timers.

  --seconds N      how long to run; default 30
  --nodes N        nodes in the cluster, 3 to 9; default 5
  --crash-every N  seconds between two take-downs of the leader, 1 or more; default 3
  --shards N       threads that the nodes are spread over, 0 to 9; 0 puts them on the
                   director's own; default one less than the processors, at least 1 and
                   at most one for each node
  --poller NAME    thread (a native poll thread wakes the loops) or inline (in libuv's own
                   loop); default thread
  --help           this text

On a terminal, q, Esc or Ctrl-C end the run early; elsewhere, SIGINT or SIGTERM do.
The exit code is 0 if a leader was elected, no election was false and no term had two leaders.`;

/** The text is meant for the user, and says what to type instead. */
export class UsageError extends Error {}

const NODES_MAX = 9;

const KNOWN = {
  seconds: { type: 'string', default: '30' },
  nodes: { type: 'string', default: '5' },
  'crash-every': { type: 'string', default: '3' },
  shards: { type: 'string' },
  poller: { type: 'string', default: 'thread' },
  help: { type: 'boolean', default: false },
} as const;

/** Null if the user asked for help. Throws a {@link UsageError} for what it cannot understand. */
export function parseOptions(args: readonly string[]): Options | null {
  // Not strict: the advice of parseArgs itself (about positional arguments) would mislead here.
  const { values, tokens } = parseArgs({
    args: [...args],
    options: KNOWN,
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === 'positional') {
      throw new UsageError(`unexpected argument "${token.value}"; options look like --seconds 30`);
    }
    if (token.kind === 'option' && !Object.hasOwn(KNOWN, token.name)) {
      const names = Object.keys(KNOWN).map((name) => `--${name}`);
      throw new UsageError(`unknown option ${token.rawName}; there are ${names.join(', ')}`);
    }
  }
  if (values.help === true) return null;
  const nodes = requireNumber('--nodes', values.nodes, { min: 3, max: NODES_MAX, isWhole: true });
  return {
    runMs: 1000 * requireNumber('--seconds', values.seconds, { min: 1, max: 86_400 }),
    nodes,
    crashEveryMs:
      1000 * requireNumber('--crash-every', values['crash-every'], { min: 1, max: 86_400 }),
    shards: Object.hasOwn(values, 'shards')
      ? requireNumber('--shards', values.shards, { min: 0, max: NODES_MAX, isWhole: true })
      : Math.min(nodes, Math.max(1, availableParallelism() - 1)),
    poller: requirePoller(values.poller),
  };
}

interface Range {
  min: number;
  max: number;
  isWhole?: boolean;
}

function requireNumber(name: string, value: unknown, range: Range): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  const isInside = number >= range.min && number <= range.max;
  if (isInside && (range.isWhole !== true || Number.isInteger(number))) return number;
  const noun = range.isWhole === true ? 'whole number' : 'number';
  const given = typeof value === 'string' ? `"${value}" is not` : 'nothing was given';
  throw new UsageError(`${name} takes a ${noun} from ${range.min} to ${range.max}; ${given}`);
}

function requirePoller(value: unknown): 'thread' | 'inline' {
  if (value === 'thread' || value === 'inline') return value;
  const given = typeof value === 'string' ? `"${value}" is neither` : 'nothing was given';
  throw new UsageError(`--poller takes thread or inline; ${given}`);
}
