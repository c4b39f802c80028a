/**
 * Goal: however a connection ends, and whatever a callback does, each
 * `onConnect` has exactly one `onDisconnect`, which is the last; no more
 * connections are open than may be, and a slot is free as soon as its
 * connection has closed (rules N1, N2, N4, N5).
 *
 * Method: a server in a process of its own closes some connections as they
 * come, throws in every callback, and does what clients wish. The clients, in
 * another process, reset, close, half close and leave in the middle of an
 * exchange; at random moments their whole process is killed. More of them are
 * under way than the server lets in. It checks each callback against its book.
 * When all clients are gone, nothing may be left. At a second server, without
 * the mischief, all slots are taken; then one more is refused, and one given up
 * and taken again, over and over. Over TCP and Unix sockets, with both pollers.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PollerMode, SocketAddress } from 'millrace';
import type { AbruptClientsOptions, AbruptClientsReport } from '../fixtures/abrupt-clients.js';
import type { AbruptServerOptions, AbruptServerReport } from '../fixtures/abrupt-server.js';
import { type Place, WELCOME, Wish } from '../support/abrupt.js';
import { eventually } from '../support/eventually.js';
import { Fixture } from '../support/processes.js';
import { type Random, random } from '../support/random.js';
import { type Outcome, type Print, type Scenario } from './scenario.js';

export interface AbruptSize {
  /** Connections, on each kind of socket. */
  rounds: number;
  /** How often a slot is given up and taken again. */
  slots: number;
  grounds: readonly Ground[];
}

export interface Ground {
  kind: 'tcp' | 'unix';
  poller: PollerMode;
}

const MAX_CONNECTIONS = 16;
const PARALLEL = 24;

/** Between two reports a process of clients is killed as often as not. */
const KILL_SHARE = 0.5;

const DEADLINE_MS = 60_000;

/** For the server to see that the last ones are gone. */
const ALL_GONE_MS = 10_000;

export const GROUNDS: readonly Ground[] = [
  { kind: 'tcp', poller: 'thread' },
  { kind: 'unix', poller: 'inline' },
  { kind: 'tcp', poller: 'inline' },
  { kind: 'unix', poller: 'thread' },
];

export const abruptScenario: Scenario = {
  summary: '10,000 connections each that end in every way, on TCP and Unix sockets (two minutes)',
  run: (print) => abrupt({ rounds: 10_000, slots: 500, grounds: GROUNDS }, print),
};

export async function abrupt(
  { rounds, slots, grounds }: AbruptSize,
  print: Print,
): Promise<Outcome> {
  const chance = random();
  print(`seed ${chance.seed}`);
  const directory = mkdtempSync(join(tmpdir(), 'millrace-soak-'));
  try {
    const failures: string[] = [];
    for (const ground of grounds) {
      const name = `${ground.kind}, ${ground.poller}`;
      const path = ground.kind === 'unix' ? join(directory, ground.poller) : null;
      const found = await observe({ ...ground, path }, { rounds, slots, chance }, (line) =>
        print(`${name}: ${line}`),
      );
      failures.push(...found.map((failure) => `${name}: ${failure}`));
    }
    return { failures };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function observe(
  { poller, path }: { poller: PollerMode; path: string | null },
  { rounds, slots, chance }: { rounds: number; slots: number; chance: Random },
  print: Print,
): Promise<string[]> {
  const seed = drawSeed(chance);
  const options = { poller, path, maxConnections: MAX_CONNECTIONS, seed };
  // A server that is killed leaves the file of its socket behind.
  const other = path === null ? null : `${path}-slots`;
  const failures = await fillAndRefuse({ ...options, path: other, mischief: false }, slots);
  await using server = new Fixture('abrupt-server', { ...options, mischief: true });
  const place = await placeOf(server, path);
  const before = await ask(server);
  let kills = 0;
  for (let left = rounds; left > 0; ) {
    const done = await clients(place, left, chance, failures);
    left -= done.rounds;
    if (done.killed) kills += 1;
  }
  const after = await eventually(async () => {
    const report = await ask(server);
    failures.push(...report.failures);
    if (report.connectionCount + report.open > 0) throw new Error(JSON.stringify(report));
    return report;
  }, ALL_GONE_MS).catch((error: Error) => {
    failures.push(`not all were disconnected: ${error.message}`);
    return null;
  });
  if (after === null) return failures;
  failures.push(...accounts(before, after));
  const { connects, disconnects, refused } = after;
  const reasons = JSON.stringify(disconnects);
  print(`${connects} connected, ${refused} refused, ${kills} processes killed; ended: ${reasons}`);
  return failures;
}

async function placeOf(server: Fixture, path: string | null): Promise<Place> {
  const { port } = await server.report<SocketAddress>(DEADLINE_MS);
  return path === null ? { host: '127.0.0.1', port } : { path };
}

function accounts(before: AbruptServerReport, after: AbruptServerReport): string[] {
  const failures: string[] = [];
  const disconnected = Object.values(after.disconnects).reduce((sum, count) => sum + count, 0);
  if (disconnected !== after.connects) {
    failures.push(`${after.connects} connected and ${disconnected} disconnected`);
  }
  for (const kind of ['descriptors', 'pendingTimers'] as const) {
    if (after[kind] > before[kind]) failures.push(`${kind}: ${before[kind]} to ${after[kind]}`);
  }
  return failures;
}

async function ask(server: Fixture): Promise<AbruptServerReport> {
  server.kill('SIGUSR2');
  return server.report<AbruptServerReport>(DEADLINE_MS);
}

/** One process of clients, until it is done or was killed. */
async function clients(
  place: Place,
  rounds: number,
  chance: Random,
  failures: string[],
): Promise<{ rounds: number; killed: boolean }> {
  const seed = drawSeed(chance);
  const options: AbruptClientsOptions = { place, seed, rounds, parallel: PARALLEL };
  await using program = new Fixture('abrupt-clients', options);
  for (;;) {
    const report = await program.report<AbruptClientsReport>(DEADLINE_MS);
    failures.push(...report.failures.map((failure) => `clients (seed ${seed}): ${failure}`));
    if (report.rounds >= rounds) return { rounds: report.rounds, killed: false };
    // Right after a report, with as many connections under way as ever.
    if (chance.next() < KILL_SHARE) return { rounds: report.rounds, killed: true };
  }
}

/** All slots are taken; then one more is refused, and one that is given up is free, at once. */
async function fillAndRefuse(options: AbruptServerOptions, slots: number): Promise<string[]> {
  await using server = new Fixture('abrupt-server', options);
  const place = await placeOf(server, options.path);
  const failures: string[] = [];
  const held: (Socket | null)[] = [];
  while (held.length < MAX_CONNECTIONS) held.push(await enter(place));
  for (let slot = 0; slot < slots; slot++) {
    const oneMore = await enter(place);
    if (oneMore !== null) failures.push('one more than may be was let in');
    oneMore?.destroy();
    await giveUp(held.shift() ?? null, slot % 2 === 0 ? Wish.CLOSE : Wish.THROW);
    held.push(await enter(place));
    if (held.includes(null)) return [...failures, `no slot was free, after ${slot} that were`];
  }
  for (const socket of held) socket?.destroy();
  return [...failures, ...(await ask(server)).failures];
}

/** Over when the end that the server made of it has been seen here. */
async function giveUp(socket: Socket | null, wish: Wish): Promise<void> {
  if (socket === null) return;
  const closed = once(socket, 'close');
  socket.write(wish);
  await closed;
}

/** The connection, if it was welcomed. */
function enter(place: Place): Promise<Socket | null> {
  const socket = connect(place).on('error', () => {});
  return new Promise((resolve) => {
    socket.once('data', (data) => resolve(data.toString() === WELCOME ? socket : null));
    socket.once('close', () => resolve(null));
  });
}

function drawSeed({ next }: Random): number {
  return Math.floor(next() * 2 ** 31);
}
