/**
 * ShardedServer: a TcpServer over the shards of a system, as its home sees it.
 *
 *   listener ──> ShardAcceptor ──handle──> ShardServer of shard 0 ──> handler
 *                (in shard 0)  ──handle──> ShardServer of shard 1 ──> handler
 *
 * With `reusePort` there is no acceptor: each ShardServer listens, and the
 * kernel deals the connections out.
 */
import { randomUUID } from 'node:crypto';
import type { ActorRef } from '../actor/actor-ref.js';
import type { ActorSystem } from '../actor/actor-system.js';
import type { ShardExitEvent } from '../actor/reports.js';
import { nativeDriver } from '../poll/native-driver.js';
import type { ServerSettings } from './config.js';
import type { ServerMetrics } from './counts.js';
import type { NetAddress } from './handlers.js';
import { isUnix } from './endpoint.js';
import { MOVING_MAX, ServerBoard } from './server-board.js';
import { alreadyListening, serverStopped } from './server-errors.js';
import type { ShardAcceptor } from './shard-acceptor.js';
import {
  type Beginning,
  boardOf,
  type HandlerPlan,
  nameOf,
  reclaimed,
  type Order,
  type ShardPlan,
} from './shard-server.js';

const SERVER = new URL('./shard-server.js', import.meta.url);
const ACCEPTOR = new URL('./shard-acceptor.js', import.meta.url);

/** A server does not give up: what crashes comes again, less and less often. */
const SUPERVISION = { maxRestarts: Number.MAX_SAFE_INTEGER };

/** Imports take what they take, and a stop has a deadline of its own: a day is for ever. */
const FOR_EVER = { timeoutMs: 86_400_000 };

const MAILBOX = { capacity: MOVING_MAX };

const State = { NEW: 0, STARTING: 1, LISTENING: 2, STOPPING: 3, STOPPED: 4 } as const;
type State = (typeof State)[keyof typeof State];

export class ShardedServer {
  readonly #system: ActorSystem;
  readonly #handlerPlan: HandlerPlan;
  readonly #plan: ShardPlan;
  readonly #board: ServerBoard;
  #state: State = State.NEW;
  #servers: ActorRef<Order>[] = [];
  #acceptor: ActorRef<never> | null = null;
  #localAddress: NetAddress | null = null;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;

  constructor(system: ActorSystem, settings: ServerSettings, handlerPlan: HandlerPlan) {
    // Without threads the one that started the system is the only shard.
    const shards = Math.max(1, system.shards);
    this.#system = system;
    this.#handlerPlan = handlerPlan;
    this.#plan = {
      settings,
      shards,
      memory: ServerBoard.memoryFor(shards),
      name: `TcpServer-${randomUUID()}`,
    };
    this.#board = boardOf(this.#plan);
  }

  get localAddress(): NetAddress | null {
    return this.#localAddress;
  }

  get connectionCount(): number {
    return this.#board.count;
  }

  get isListening(): boolean {
    return this.#state === State.LISTENING;
  }

  metrics(): ServerMetrics {
    return this.#board.metrics();
  }

  async listen(): Promise<void> {
    if (this.#state === State.STARTING || this.isListening) throw alreadyListening();
    if (this.#state !== State.NEW) throw serverStopped();
    this.#state = State.STARTING;
    this.#starting = this.#start();
    await this.#starting;
  }

  async stop(timeoutMs: number): Promise<void> {
    if (this.#state === State.STOPPED) return;
    if (this.#stopping === null) this.#stopping = this.#stop(timeoutMs);
    else for (const server of this.#servers) server.send({ kind: 'stop', timeoutMs });
    await this.#stopping;
  }

  // --- The beginning -----------------------------------------------------

  async #start(): Promise<void> {
    this.#system.on('shardExit', this.#exited);
    try {
      for (let shard = 0; shard < this.#plan.shards; shard++) await this.#spawnServer(shard);
      if (!this.#plan.settings.reusePort) await this.#spawnAcceptor();
    } catch (error) {
      await this.#close(0);
      this.#localAddress = null;
      if (this.#stopping === null) this.#state = State.NEW;
      throw error;
    }
    this.#board.isEstablished = true;
    if (this.#stopping === null) this.#state = State.LISTENING;
  }

  async #spawnServer(shard: number): Promise<void> {
    const server = await this.#system.spawn<Order>(SERVER, {
      export: 'ShardServer',
      name: nameOf(this.#plan, shard),
      args: [this.#plan, this.#handlerPlan, shard],
      shard,
      mailbox: MAILBOX,
      supervision: SUPERVISION,
    });
    this.#servers.push(server);
    server.watch(() => this.#gone(server));
    const { failure, address } = await server.ask<Beginning>({ kind: 'begin' }, FOR_EVER);
    if (failure !== null) throw failure.error;
    this.#localAddress ??= address;
  }

  async #spawnAcceptor(): Promise<void> {
    const acceptor = await this.#system.spawn<never>(ACCEPTOR, {
      export: 'ShardAcceptor',
      args: [this.#plan],
      shard: 0,
      supervision: SUPERVISION,
    });
    this.#acceptor = acceptor;
    const address = await acceptor.proxy<ShardAcceptor>().address();
    this.#localAddress = address;
    for (const server of this.#servers) server.send({ kind: 'announce', address });
  }

  // --- Deaths ------------------------------------------------------------

  readonly #exited = ({ shard }: ShardExitEvent): void => {
    if (shard >= this.#plan.shards) return;
    this.#board.setUp(shard, false);
    // When nothing more can be sent to it, which is so after the event.
    queueMicrotask(() => this.#forfeit(shard));
  };

  /** It will not come again: the system stops, or has given the shard up. */
  #gone(server: ActorRef<Order>): void {
    const { shard } = server;
    this.#board.setUp(shard, false);
    this.#forfeit(shard);
    this.#servers = this.#servers.filter((each) => each !== server);
    if (this.#servers.length === 0 && this.isListening) this.#finish();
  }

  /** Closes what did not arrive, and gives all slots of the shard back. */
  #forfeit(shard: number): void {
    this.#board.forfeit(shard);
    const kind = isUnix(this.#plan.settings.address) ? 'UnixStream' : 'TcpStream';
    const { name: driver } = nativeDriver;
    for (const moving of this.#board.trail(shard)) {
      reclaimed({ millrace: 'source', kind, driver, ...moving })?.close();
    }
  }

  // --- The end -----------------------------------------------------------

  async #stop(timeoutMs: number): Promise<void> {
    if (this.#state !== State.STARTING) this.#state = State.STOPPING;
    // One that is beginning is let begin.
    await this.#starting?.catch(() => undefined);
    this.#state = State.STOPPING;
    await this.#close(timeoutMs);
    this.#finish();
  }

  /** The acceptor first, then all that it has handed over. */
  async #close(timeoutMs: number): Promise<void> {
    await this.#acceptor?.stop();
    this.#acceptor = null;
    await Promise.all(this.#servers.map((server) => this.#closeServer(server, timeoutMs)));
    this.#servers = [];
    this.#system.off('shardExit', this.#exited);
  }

  async #closeServer(server: ActorRef<Order>, timeoutMs: number): Promise<void> {
    // A shard that dies meanwhile has nothing left to flush.
    await server.ask({ kind: 'stop', timeoutMs }, FOR_EVER).catch(() => undefined);
    await server.stop();
  }

  #finish(): void {
    this.#state = State.STOPPED;
    this.#system.off('shardExit', this.#exited);
  }
}
