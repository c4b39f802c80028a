/** Actors for tests: handlers made of functions, and systems that are stopped after each test. */
import {
  type ActorContext,
  type ActorRef,
  ActorSystem,
  type CrashEvent,
  Handler,
  type Lateness,
  type RestartEvent,
  type SignalInfo,
  type SpawnOptions,
  type StopReason,
  type StoppedEvent,
  type SystemOptions,
  type Token,
} from '../../src/index.js';

/** The callbacks of a handler, and its constructor, as functions. */
export interface Script {
  construct?: () => void;
  readable?: (loop: ActorContext, token: Token) => unknown;
  writable?: (loop: ActorContext, token: Token) => unknown;
  ready?: (loop: ActorContext, token: Token) => unknown;
  notify?: (loop: ActorContext, message: never) => unknown;
  timeout?: (loop: ActorContext, payload: never, late: Lateness) => unknown;
  signal?: (loop: ActorContext, info: SignalInfo) => unknown;
  interrupted?: (loop: ActorContext) => unknown;
  tick?: (loop: ActorContext) => unknown;
  started?: (loop: ActorContext) => unknown;
  stopped?: (loop: ActorContext, reason: StopReason) => unknown;
}

/** Does as its script says; each instance anew. */
export class Scripted extends Handler {
  constructor(script: Script) {
    super();
    const { construct, ...callbacks } = script;
    construct?.();
    Object.assign(this, callbacks);
  }
}

/** Restarts at once, so that tests need not wait. */
export const QUICK = { backoffMs: 0 } as const;

/** A system, and what its events told. */
export class Stage {
  readonly system: ActorSystem;
  readonly crashes: CrashEvent[] = [];
  readonly restarts: RestartEvent[] = [];
  readonly stops: StoppedEvent[] = [];

  constructor(system: ActorSystem) {
    this.system = system;
    system
      .on('crash', (event) => this.crashes.push(event))
      .on('restart', (event) => this.restarts.push(event))
      .on('stopped', (event) => this.stops.push(event));
  }

  play(script: Script, options: SpawnOptions = {}): Promise<ActorRef> {
    return this.system.spawn(Scripted, { ...options, args: [script] });
  }
}

/** Returns what starts a system that is stopped after the test. */
export function stagesAfterEach(): (options?: SystemOptions) => Promise<Stage> {
  const systems: ActorSystem[] = [];
  afterEach('stops the systems', async () => {
    await Promise.all(systems.map((system) => system.stop({ timeoutMs: 0 })));
    systems.length = 0;
  });
  return async (options) => {
    const system = await ActorSystem.start({ shards: 0, ...options });
    systems.push(system);
    return new Stage(system);
  };
}

/** A promise, and what settles it. */
export function deferred<R = void>() {
  let resolve!: (value: R) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<R>((resolvePromise, rejectPromise) => {
    resolve = resolvePromise;
    reject = rejectPromise;
  });
  return { promise, resolve, reject };
}

/** The next event of that name. */
export function stopOf(actor: ActorRef): Promise<StopReason> {
  return new Promise((resolve) => {
    actor.watch(resolve);
  });
}
