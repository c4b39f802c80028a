/**
 * Goal: no stall of its thread makes a follower call an election while the
 * heartbeats lie in its sockets (rule L2).
 *
 * Method: a source in a process of its own sends heartbeats to followers, each
 * in a process of its own as well, whose thread is held in every place where
 * user code can hold it, for longer than the election timeout. What a stale
 * timeout is, and how it is told from a timely one, stands in
 * `test/support/heartbeats.ts`. Beside them runs the same follower on dgram,
 * net and setTimeout(): its false elections show that the scenario bites.
 *
 * The thread is blocked in most runs and spins in those with random stalls:
 * the loop cannot tell one from the other, and blocked ones leave the
 * processors to many followers at once.
 */
import {
  type FollowerOptions,
  type FollowerReport,
  PLACES,
  type Place,
  Referee,
  type Transport,
} from '../support/heartbeats.js';
import { Fixture, inParallel } from '../support/processes.js';
import { random } from '../support/random.js';
import { type Outcome, type Print, type Scenario, table } from './scenario.js';

export interface StallsSize {
  /** Stalls of each follower. */
  stalls: number;
  /** Followers at a time. */
  parallel: number;
}

interface Run {
  group: string;
  program: 'follower-on-millrace' | 'follower-on-node';
  /** The process is stopped from outside so many times. */
  stops: number;
  backend: 'epoll' | 'poll';
  options: FollowerOptions;
}

interface Result extends FollowerReport {
  run: Run;
  /** Why there is no report; then all counts are 0. */
  error: string | null;
}

type Change = Partial<Omit<FollowerOptions, 'mode' | 'transport'>>;

const TRANSPORTS: readonly Transport[] = ['udp', 'tcp', 'channel'];
const SOCKETS: readonly Transport[] = ['udp', 'tcp'];
const MODES = ['thread', 'inline', 'sync'] as const;

/** Longer than any election timeout. */
const STALL_MS = 400;

/** runSync() lets nothing else of Node run: no immediates, promises, callbacks of fs. */
const SYNC_PLACES: readonly Place[] = ['io', 'request', 'timer', 'message', 'poll'];

/** Node has no gap after its poll to put a stall into. */
const NODE_PLACES = PLACES.filter((place) => place !== 'poll');

/** The moments between two stops of a process, in which it is well. */
const STOP_PAUSE_MIN_MS = 120;
const STOP_PAUSE_MAX_MS = 220;

/** For starting up, and for a stall with what follows it; generous for a busy machine. */
const START_MS = 60_000;
const STALL_ROUND_MS = 3_000;

const DEFAULTS: FollowerOptions = {
  ports: { udp: 0, tcp: 0 },
  transport: 'udp',
  mode: 'thread',
  places: [],
  stalls: 0,
  silentTimeouts: 0,
  stallMinMs: STALL_MS,
  stallMaxMs: STALL_MS,
  spin: false,
  busySockets: 0,
  backlog: 0,
  eventsCapacity: 1024,
  messagesPerTick: 256,
  seed: 0,
};

export const stallsScenario: Scenario = {
  summary: 'elections stay away while threads stall and heartbeats wait (some 6 minutes)',
  run: (print) => stalls({ stalls: 100, parallel: 16 }, print),
};

export async function stalls(size: StallsSize, print: Print): Promise<Outcome> {
  await using source = new Fixture('heartbeat-source');
  const ports = await source.report<FollowerOptions['ports']>(START_MS);
  const { next, seed } = random();
  print(`seed ${seed}`);
  const runs = [...everyPlace(size), ...atRandom(size), ...stopped(size), ...crowded(size)];
  runs.push(...onPoll(size), ...silent(size), ...onNode(size));
  for (const { options } of runs) {
    options.ports = ports;
    options.seed = Math.floor(next() * 2 ** 31);
  }
  const results = await inParallel(runs, size.parallel, follow);
  for (const line of summary(results)) print(line);
  return { failures: verdict(results) };
}

/** Each place by itself, over each transport, under each way of running. */
function everyPlace({ stalls: count }: StallsSize): Run[] {
  return TRANSPORTS.flatMap((transport) =>
    MODES.flatMap((mode) => {
      const places = mode === 'sync' ? SYNC_PLACES : PLACES;
      return places.map((place) =>
        run(place, { transport, mode }, { places: [place], stalls: count }),
      );
    }),
  );
}

/** 1 to 1,000 ms, in any place. */
function atRandom({ stalls: count }: StallsSize): Run[] {
  return TRANSPORTS.flatMap((transport) =>
    MODES.map((mode) => {
      const places = mode === 'sync' ? SYNC_PLACES : PLACES;
      const length = { stallMinMs: 1, stallMaxMs: 1000, spin: true };
      return run('random', { transport, mode }, { places, stalls: count, ...length });
    }),
  );
}

/** The whole process by SIGSTOP, wherever it happens to be, and on by SIGCONT. */
function stopped({ stalls: count }: StallsSize): Run[] {
  return SOCKETS.flatMap((transport) =>
    MODES.map((mode) => ({ ...run('SIGSTOP', { transport, mode }, {}), stops: count })),
  );
}

/**
 * More events, or more messages, than one tick can deliver, with the heartbeat
 * the last. The events must not begin in its socket's own callback, since epoll
 * keeps a socket that was just reported at the head of its queue.
 */
function crowded({ stalls: count }: StallsSize): Run[] {
  const others: Place[] = ['request', 'timer'];
  const events = { places: others, stalls: count, eventsCapacity: 2, busySockets: 6 };
  const own: Place[] = ['io'];
  const messages = { places: own, stalls: count, messagesPerTick: 4, backlog: 64 };
  return MODES.flatMap((mode) => [
    ...SOCKETS.map((transport) => run('full poll', { transport, mode }, events)),
    run('full tick', { transport: 'channel', mode }, messages),
  ]);
}

/** The other backend: its readiness, deadlines and rotation are all code of its own. */
function onPoll(size: StallsSize): Run[] {
  return [...atRandom(size), ...crowded(size)]
    .filter(({ options: { mode } }) => mode !== 'inline')
    .map((each) => ({ ...each, backend: 'poll' as const }));
}

/** Without heartbeats elections must come: a loop that never fires is not stall-proof. */
function silent({ stalls: count }: StallsSize): Run[] {
  return MODES.map((mode) => run('silence', { transport: 'udp', mode }, { silentTimeouts: count }));
}

function onNode({ stalls: count }: StallsSize): Run[] {
  return SOCKETS.flatMap((transport) =>
    NODE_PLACES.map((place) => ({
      ...run(place, { transport, mode: 'thread' }, { places: [place], stalls: count }),
      program: 'follower-on-node' as const,
    })),
  );
}

function run(
  group: string,
  ground: Pick<FollowerOptions, 'transport' | 'mode'>,
  change: Change,
): Run {
  const options = { ...DEFAULTS, ...ground, ...change };
  return { group, program: 'follower-on-millrace', stops: 0, backend: 'epoll', options };
}

async function follow(wanted: Run): Promise<Result> {
  try {
    return { ...(await reportOf(wanted)), run: wanted, error: null };
  } catch (error) {
    return { ...new Referee().report(0), run: wanted, error: String(error) };
  }
}

async function reportOf({ program, options, stops, backend }: Run): Promise<FollowerReport> {
  const env = { MILLRACE_POLL_BACKEND: backend };
  await using follower = new Fixture(program, options, { env });
  if (stops > 0) await stopAndContinue(follower, stops, options.seed);
  const count = Math.max(stops, options.stalls, options.silentTimeouts);
  const report = await follower.report<FollowerReport>(START_MS + count * STALL_ROUND_MS);
  const { code, stderr } = await follower.end(START_MS);
  if (code !== 0) throw new Error(`it ended with ${code}: ${stderr}`);
  return stops > 0 ? { ...report, stalls: stops } : report;
}

/** The pauses are the subject here: heartbeats must come in them, and in the stops. */
async function stopAndContinue(follower: Fixture, stops: number, seed: number): Promise<void> {
  const { next } = random(seed);
  const pause = () => STOP_PAUSE_MIN_MS + next() * (STOP_PAUSE_MAX_MS - STOP_PAUSE_MIN_MS);
  await follower.report(START_MS);
  for (let done = 0; done < stops; done++) {
    await elapse(pause());
    follower.kill('SIGSTOP');
    await elapse(STALL_MS);
    follower.kill('SIGCONT');
  }
  await elapse(STOP_PAUSE_MAX_MS);
  follower.kill('SIGTERM');
}

function elapse(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function summary(results: readonly Result[]): string[] {
  const rows = results.map(({ run: { program, group, backend, options }, ...report }) => [
    program === 'follower-on-node' ? 'node' : `${options.mode}, ${backend}`,
    options.transport,
    group,
    report.stalls,
    report.heartbeats,
    report.timeouts,
    report.stale,
    report.stalestMs.toFixed(0),
  ]);
  const head = ['loop', 'by', 'place', 'stalls', 'heartbeats', 'timeouts', 'STALE', 'by ms'];
  const ours = results.filter(isOurs);
  const theirs = results.filter((result) => !isOurs(result));
  return [
    ...table([head, ...rows]),
    `millrace: ${total(ours, 'stale')} stale timeouts in ${total(ours, 'stalls')} stalls`,
    `node: ${total(theirs, 'stale')} stale timeouts in ${total(theirs, 'stalls')} stalls`,
  ];
}

function verdict(results: readonly Result[]): string[] {
  const failures: string[] = [];
  for (const result of results) {
    if (!isOurs(result) && result.error === null) continue;
    const name = describe(result.run);
    if (result.error !== null) failures.push(`${name}: ${result.error}`);
    if (result.stale > 0) failures.push(`${name}: ${result.stale} stale timeouts`);
    const { silentTimeouts } = result.run.options;
    if (result.timeouts < silentTimeouts) failures.push(`${name}: no timeouts in the silence`);
    if (result.lost > 0) failures.push(`${name}: ${result.lost} heartbeats were lost`);
  }
  const theirs = results.filter((result) => !isOurs(result));
  if (total(theirs, 'stale') === 0) failures.push('the scenario does not bite: node has no stale');
  return failures;
}

function isOurs({ run: { program } }: Result): boolean {
  return program === 'follower-on-millrace';
}

function total(results: readonly Result[], field: 'stale' | 'stalls'): number {
  return results.reduce((sum, result) => sum + result[field], 0);
}

function describe({ program, group, backend, options }: Run): string {
  const { transport, mode, seed } = options;
  return `${program}, ${mode}, ${backend}, ${transport}, ${group} (seed ${seed})`;
}
