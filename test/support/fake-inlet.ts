/**
 * Other threads under the test's control: a channel layer whose messages
 * arrive when told to, from as many sending threads as named, and which can
 * be made to break, or to send in the very moment in which the loop falls
 * asleep. It keeps to the contract in `src/loop/crossing.ts`, and complains
 * when its user does not.
 */
import {
  type Crossing,
  crossing,
  type Inlet,
  type InletHost,
  type Lane,
  type MessageTarget,
  provideCrossing,
  type SenderHandle,
} from '../../src/loop/crossing.js';

export class FakeInlet<M> implements Inlet<M> {
  readonly handle: SenderHandle;
  readonly host: InletHost<M>;
  readonly #wake: () => void;
  readonly #lanes = new Map<string, FakeLane<M>>();

  /** Places taken, as this side knows and as other threads do. */
  taken = 0;
  published = 0;
  refused = 0;
  asleep = false;
  closed = false;
  /** Calls, for tests of what happens how often. */
  intakes = 0;
  wakes = 0;
  publications = 0;

  /** Called when the loop announces its sleep, before the inlet looks once more. */
  onFallAsleep: (() => void) | null = null;

  constructor(host: InletHost<M>, wake: () => void) {
    this.host = host;
    this.#wake = wake;
    this.handle = { millrace: 'sender', loop: '1', control: new SharedArrayBuffer(8) };
  }

  /** As another thread sends: false when there is no room. */
  send(message: M, from = 'A'): boolean {
    if (this.closed || this.published >= this.host.capacity) {
      this.refused += 1;
      return false;
    }
    this.taken += 1;
    this.published += 1;
    this.#lane(from).sent.push(message);
    this.#wakeLoop();
    return true;
  }

  /** Another thread takes a place for a message that it then cannot write. */
  reserveElsewhere(): void {
    this.taken += 1;
    this.published += 1;
  }

  giveBackElsewhere(): void {
    this.taken -= 1;
    this.published -= 1;
    this.#wakeLoop();
  }

  /** The thread dies in the middle of the message after the next `good` ones. */
  breakLane(from: string, good = 0): void {
    this.#lane(from).goodLeft = good;
  }

  intake(arrived: (lane: Lane<M>, count: number) => void): void {
    this.intakes += 1;
    for (const lane of this.#lanes.values()) {
      const count = lane.sent.length - lane.announced;
      if (count === 0) continue;
      lane.announced += count;
      arrived(lane, count);
    }
  }

  reserve(): boolean {
    if (this.taken >= this.host.capacity) return false;
    this.taken += 1;
    this.published += 1;
    return true;
  }

  release(): void {
    if (this.taken === 0) throw new Error('more places were released than taken');
    this.taken -= 1;
  }

  publishReleases(): void {
    this.publications += 1;
    this.published = this.taken;
  }

  fallAsleep(): boolean {
    if (this.asleep) throw new Error('fell asleep twice');
    this.asleep = true;
    this.onFallAsleep?.();
    if (this.#hasNews) this.asleep = false;
    return !this.#hasNews;
  }

  wakeUp(): void {
    this.asleep = false;
  }

  close(): M[] {
    this.closed = true;
    return [...this.#lanes.values()].flatMap((lane) => lane.sent.slice(lane.announced));
  }

  get #hasNews(): boolean {
    return [...this.#lanes.values()].some((lane) => lane.sent.length > lane.announced);
  }

  #wakeLoop(): void {
    if (!this.asleep) return;
    this.asleep = false;
    this.wakes += 1;
    this.#wake();
  }

  #lane(name: string): FakeLane<M> {
    const lane = this.#lanes.get(name) ?? new FakeLane<M>(name);
    this.#lanes.set(name, lane);
    return lane;
  }
}

class FakeLane<M> implements Lane<M> {
  readonly sent: M[] = [];
  readonly #name: string;
  announced = 0;
  goodLeft = Infinity;
  #isBroken = false;

  constructor(name: string) {
    this.#name = name;
  }

  take(): M {
    if (this.#isBroken) throw new Error('taken from after it broke');
    if (this.announced === 0) throw new Error('more was taken than announced');
    this.#isBroken = this.goodLeft === 0;
    if (this.#isBroken) throw new Error(`lane ${this.#name} is broken`);
    this.goodLeft -= 1;
    this.announced -= 1;
    return this.sent.shift() as M;
  }
}

class FakeCrossing implements Crossing {
  readonly inlets: FakeInlet<never>[] = [];
  /** Wakes the poller that has this key. */
  wake: (wakeKey: number) => void = () => {};

  openInlet<M>(host: InletHost<M>): FakeInlet<M> {
    const inlet = new FakeInlet<M>(host, () => this.wake(host.wakeKey));
    this.inlets.push(inlet as FakeInlet<never>);
    return inlet;
  }

  connect<M>(handle: SenderHandle): MessageTarget<M> {
    const inlet = this.inlets.find(({ handle: { control } }) => control === handle.control);
    if (inlet === undefined) throw new TypeError('of another process');
    return inlet.host.inbox;
  }
}

/** Within the suite that calls it, other threads are these. */
export function withFakeThreads(): FakeCrossing {
  const fake = new FakeCrossing();
  withThreads(fake);
  return fake;
}

/** Within the suite that calls it, this is the channel layer. */
export function withThreads(channels: Crossing): void {
  let loaded: Crossing | null = null;
  before('puts another channel layer in place', () => {
    loaded = loadedCrossing();
    provideCrossing(channels);
  });
  after('puts the loaded one back', () => {
    if (loaded !== null) provideCrossing(loaded);
  });
}

function loadedCrossing(): Crossing | null {
  try {
    return crossing();
  } catch {
    return null;
  }
}
