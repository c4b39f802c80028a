/**
 * The side channel: how a lane hands over what bytes cannot carry. That is
 * segments, and in messages what `encoder.foreign` lists.
 *
 * It has to work between two threads that have exchanged nothing but a
 * sender's handle, and the receiver has to find there, at once, what was
 * posted before a message was published. A BroadcastChannel does both: its
 * name is enough, and a post is in the queue of the other end when it returns.
 * It cannot move anything, and Node lets what counts as transferable (a
 * KeyObject, say) pass only between two ends that are alone on it. So there
 * is one for the loop, with which lanes begin, and one for each lane once the
 * loop has adopted it.
 *
 *   sender:    post(values)  ── [lane, sequence, values] ──>  receiver: take(lane, sequence)
 */
import { BroadcastChannel, MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { LaneWord } from './lane-header.js';

/** The sending end, for one lane. */
export interface SidePoster {
  /**
   * What `moved` lists is no longer usable here afterwards.
   *
   * @throws DataCloneError
   */
  post(values: readonly unknown[], moved: ReadonlySet<unknown> | undefined): void;
  close(): void;
}

/** The receiving end, for all lanes of a loop. */
export interface SideReceiver {
  /** What a lane posted as number `sequence`. Throws if it is not there. */
  take(lane: number, sequence: number): readonly unknown[];
}

/** A lane's number, the number of its post, and the values. */
type Post = readonly [lane: number, sequence: number, values: readonly unknown[]];

/** The post with which a lane begins. */
const FIRST = 0;

export class BroadcastPoster implements SidePoster {
  readonly #loop: string;
  readonly #lane: number;
  readonly #header: Int32Array;
  #sequence = FIRST;
  #shared: BroadcastChannel | null = null;
  #own: BroadcastChannel | null = null;

  constructor(loop: string, lane: number, header: Int32Array) {
    this.#loop = loop;
    this.#lane = lane;
    this.#header = header;
  }

  post(values: readonly unknown[], moved: ReadonlySet<unknown> | undefined): void {
    const movable = moved === undefined ? values : moveAway(values, moved);
    const post: Post = [this.#lane, this.#sequence, movable];
    try {
      this.#channel().postMessage(post);
    } catch (error) {
      throw toDataCloneError(error);
    }
    this.#sequence += 1;
  }

  close(): void {
    this.#shared?.close();
    this.#own?.close();
    this.#shared = null;
    this.#own = null;
  }

  #channel(): BroadcastChannel {
    if (this.#own !== null) return this.#own;
    // Pairs with the store in BroadcastReceiver.openLane().
    if (Atomics.load(this.#header, LaneWord.ADOPTED) === 0) return this.#sharedForThisTurn();
    this.#own = openUnref(laneChannelName(this.#loop, this.#lane));
    return this.#own;
  }

  /** It is closed when the turn ends, for the sake of others: see above. */
  #sharedForThisTurn(): BroadcastChannel {
    if (this.#shared !== null) return this.#shared;
    this.#shared = openUnref(loopChannelName(this.#loop));
    setImmediate(() => {
      this.#shared?.close();
      this.#shared = null;
    }).unref();
    return this.#shared;
  }
}

export class BroadcastReceiver implements SideReceiver {
  readonly #loop: string;
  readonly #shared: BroadcastChannel;
  readonly #lanes = new Map<number, BroadcastChannel>();
  /** What was received for later, by lane and sequence. */
  readonly #waiting = new Map<string, readonly unknown[]>();
  /** Lanes that have begun. */
  #begun: number[] = [];

  constructor(loop: string) {
    this.#loop = loop;
    this.#shared = this.#listen(loopChannelName(loop));
  }

  /** The lanes that have begun since the last call. */
  takeBegun(): number[] {
    this.#receive(this.#shared);
    const begun = this.#begun;
    this.#begun = [];
    return begun;
  }

  take(lane: number, sequence: number): readonly unknown[] {
    const key = keyOf(lane, sequence);
    if (!this.#waiting.has(key)) {
      this.#receive(this.#shared);
      const own = this.#lanes.get(lane);
      if (own !== undefined) this.#receive(own);
    }
    const values = this.#waiting.get(key);
    if (values === undefined) throw new RangeError('nothing is on the side channel');
    this.#waiting.delete(key);
    return values;
  }

  /** From now on the lane has a channel of its own. */
  openLane(lane: number, header: Int32Array): void {
    this.#lanes.set(lane, this.#listen(laneChannelName(this.#loop, lane)));
    Atomics.store(header, LaneWord.ADOPTED, 1);
  }

  /** What it has posted can still be taken. */
  closeLane(lane: number): void {
    const own = this.#lanes.get(lane);
    if (own === undefined) return;
    this.#receive(own);
    own.close();
    this.#lanes.delete(lane);
  }

  close(): void {
    this.#receive(this.#shared);
    this.#shared.close();
    for (const lane of this.#lanes.keys()) this.closeLane(lane);
  }

  /** Node's own loop hands over, and forgets, what was not received before it comes round. */
  #listen(name: string): BroadcastChannel {
    const channel = openUnref(name);
    channel.onmessage = (event) => this.#keep((event as { data: Post }).data);
    return channel;
  }

  #receive(channel: BroadcastChannel): void {
    for (;;) {
      // Node documents this use, which its types leave out.
      const received = receiveMessageOnPort(channel as unknown as MessagePort);
      if (received === undefined) return;
      this.#keep(received.message as Post);
    }
  }

  #keep([lane, sequence, values]: Post): void {
    this.#waiting.set(keyOf(lane, sequence), values);
    if (sequence === FIRST) this.#begun.push(lane);
  }
}

/** Makes what is listed unusable here, as a transfer does. */
export function detach(moved: ReadonlySet<unknown>): void {
  moveAway([], moved);
}

function moveAway(values: readonly unknown[], moved: ReadonlySet<unknown>): readonly unknown[] {
  const transfer = [...moved] as ArrayBuffer[];
  if ([...moved].some((value) => value instanceof MessagePort)) {
    throw new DOMException(
      'a MessagePort cannot be moved by a message to this loop; post it to the worker instead',
      'DataCloneError',
    );
  }
  try {
    return structuredClone(values, { transfer });
  } catch (error) {
    throw toDataCloneError(error);
  }
}

/** Node 20 throws a TypeError for what must be moved, and others for what it cannot post. */
function toDataCloneError(error: unknown): Error {
  if (error instanceof DOMException && error.name === 'DataCloneError') return error;
  const { message } = error as Error;
  return new DOMException(message, 'DataCloneError');
}

function openUnref(name: string): BroadcastChannel {
  const channel = new BroadcastChannel(name);
  channel.unref();
  return channel;
}

function loopChannelName(loop: string): string {
  return `millrace:${loop}`;
}

function laneChannelName(loop: string, lane: number): string {
  return `millrace:${loop}:${lane}`;
}

function keyOf(lane: number, sequence: number): string {
  return `${lane}:${sequence}`;
}
