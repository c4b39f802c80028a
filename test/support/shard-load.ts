/** What systems of shards are put through, in tests and in the soak. */
import { type ActorRef, ActorSystem, type ShardExitEvent } from '../../src/index.js';
import type { Act, Player } from '../fixtures/actors/player.js';
import { eventually } from './eventually.js';
import { random } from './random.js';
import { PLAYER, type PlayerRef } from './shards.js';

// --- Load ----------------------------------------------------------------

/** The ways in which an ask may end when its actor does. */
const ENDS = ['ERR_ACTOR_STOPPED', 'ERR_MAILBOX_FULL', 'ERR_SHARD_EXITED', 'ERR_ASK_TIMEOUT'];

/** Each player floods each, and asks it through each; until this is ended. */
class Load {
  readonly wrong: string[] = [];
  asks = 0;
  #isOver = false;
  readonly #isSafe: (player: PlayerRef) => boolean;
  readonly #pairs: Promise<void>[];

  /** Between safe players nothing may fail. */
  constructor(players: readonly PlayerRef[], isSafe: (player: PlayerRef) => boolean) {
    this.#isSafe = isSafe;
    this.#pairs = players.flatMap((player) => players.map((other) => this.#run(player, other)));
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#pairs);
  }

  async #run(player: PlayerRef, other: PlayerRef): Promise<void> {
    while (!this.#isOver) {
      this.asks += 1;
      player.send(['flood', other, 0, 20]);
      await Promise.all([
        this.#ends(player, other, player.proxy<Player>().askOther(other, ['echo', 1])),
        this.#ends(player, other, player.sendAsync(['noted'])),
      ]);
      await new Promise(setImmediate);
    }
  }

  async #ends(player: PlayerRef, other: PlayerRef, promise: Promise<unknown>): Promise<void> {
    try {
      await promise;
    } catch (error) {
      const isSafe = this.#isSafe(player) && this.#isSafe(other);
      const { code = '' } = error as { code?: string };
      if (isSafe || !ENDS.includes(code)) this.wrong.push(String(error));
    }
  }
}

/** Stops it; returns what was wrong if that took more time than the work that was left. */
async function stopSoon(system: ActorSystem): Promise<string[]> {
  const beganMs = performance.now();
  await system.stop({ timeoutMs: 2 * STOP_MS });
  const tookMs = performance.now() - beganMs;
  return tookMs > STOP_MS ? [`the stop took ${tookMs.toFixed(0)} ms`] : [];
}

/** Far more than a drain takes, and less than one that waits for what never comes. */
const STOP_MS = 4000;

/** Stops a system in which everybody sends and asks; returns what was wrong. */
export async function stopUnderLoad(seed: number): Promise<string[]> {
  const { next } = random(seed);
  const system = await ActorSystem.start({ shards: 2 });
  const players = await trio(system);
  const load = new Load(players, () => false);
  await pause(next() * 50);
  const wrong = await stopSoon(system);
  await load.end();
  const taken = players.filter((player) => player.send(['noted']));
  return [...load.wrong, ...wrong, ...taken.map(({ id }) => `${id} has taken a message`)];
}

/** Leaves a system behind in which everybody sends and asks. Returns what was wrong by then. */
export async function beginLoad(seed: number): Promise<string[]> {
  const { next } = random(seed);
  const system = await ActorSystem.start({ shards: 2 });
  const load = new Load(await trio(system), () => false);
  await pause(next() * 50);
  return load.wrong;
}

/** One in each of two shards, and one at home. */
function trio(system: ActorSystem): Promise<PlayerRef[]> {
  const shards = [0, 1, 2];
  return Promise.all(
    shards.map((shard) => system.spawn<Act>(PLAYER, { shard, mailbox: { capacity: 64 } })),
  );
}

// --- Deaths --------------------------------------------------------------

/** How a thread may die, and how that is reported. */
const DEATHS = {
  exit: { code: 7, error: null },
  exitInSend: { code: 9, error: null },
  throwOutside: { code: 1, error: 'EOUTSIDE' },
  exhaust: { code: 1, error: 'ERR_WORKER_OUT_OF_MEMORY' },
} as const;
type Death = keyof typeof DEATHS;

/** As much as a shard lives before it is to die: else it would be given up. */
const LIFE_MS = 500;

const VICTIMS = 3;

/**
 * Ends threads of a system at random moments, under load, in all ways; one
 * shard is left in peace, and has to notice nothing. Returns what was wrong.
 */
export async function deaths(
  count: number,
  seed: number,
  print?: (line: string) => void,
): Promise<string[]> {
  const system = await ActorSystem.start({
    shards: VICTIMS + 1,
    resourceLimits: { maxOldGenerationSizeMb: 40, maxYoungGenerationSizeMb: 8 },
  });
  try {
    return await endThreads(system, { count, next: random(seed).next, print });
  } finally {
    await system.stop({ timeoutMs: 0 });
  }
}

interface Ends {
  count: number;
  next: () => number;
  print: ((line: string) => void) | undefined;
}

async function endThreads(system: ActorSystem, { count, next, print }: Ends): Promise<string[]> {
  const exits: ShardExitEvent[] = [];
  system.on('shardExit', (event) => exits.push(event));
  const supervision = { maxRestarts: 1e9, withinMs: 1, backoffMs: 0 };
  const players = await Promise.all(
    Array.from({ length: VICTIMS + 1 }, (_, shard) =>
      system.spawn<Act>(PLAYER, { shard, supervision, name: `player ${shard}` }),
    ),
  );
  const survivor = players[VICTIMS];
  const { threadId } = await survivor.proxy<Player>().where();
  const load = new Load(players, (player) => player === survivor);
  const { wrong } = load;
  const upSince = players.map(() => performance.now());
  for (let death = 0; death < count; death++) {
    const shard = death % VICTIMS;
    const livedMs = performance.now() - upSince[shard];
    await pause(Math.max(0, LIFE_MS - livedMs) + next() * 20);
    const way = drawWay(next());
    const before = await whereIs(players[shard]);
    // In the middle of a message to one that has to go on.
    players[shard].send([way, way === 'exitInSend' ? survivor : DEATHS[way].code]);
    const exit = await eventually(() => required(exits[death]), 20_000);
    wrong.push(...misreported(exit, shard, way));
    if ((await whereIs(players[shard])) === before) wrong.push('the shard has not ended');
    upSince[shard] = performance.now();
    if (death % 20 === 19) print?.(`${death + 1} deaths, ${load.asks} asks`);
  }
  const lived = await survivor.proxy<Player>().where();
  if (lived.threadId !== threadId || lived.instances !== 1) wrong.push('the survivor has noticed');
  for (const [shard, player] of players.entries()) {
    const found: ActorRef | null = await system.lookup(`player ${shard}`);
    if (found !== player) wrong.push(`player ${shard} is not found`);
  }
  await load.end();
  // No place in a mailbox may be taken for ever.
  wrong.push(...(await stopSoon(system)));
  if (exits.length !== count) wrong.push(`${exits.length} exits of ${count}`);
  return wrong;
}

function drawWay(chance: number): Death {
  const ways = Object.keys(DEATHS) as Death[];
  return ways[Math.floor(chance * ways.length)];
}

function misreported({ shard, code, error }: ShardExitEvent, victim: number, way: Death): string[] {
  const errorCode = (error as { code?: string } | null)?.code ?? null;
  const expected = DEATHS[way];
  if (shard === victim && code === expected.code && errorCode === expected.error) return [];
  return [`${way} of shard ${victim} was reported as ${shard}, ${code}, ${errorCode}`];
}

function required<V>(value: V | undefined): V {
  if (value === undefined) throw new Error('it has not come');
  return value;
}

/** The thread, once the actor answers. */
function whereIs(player: PlayerRef): Promise<number> {
  return eventually(async () => (await player.proxy<Player>().where()).threadId, 20_000);
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}
