/**
 * The side channel of threads that have exchanged nothing but a sender's
 * handle. A BroadcastChannel's name is enough, and a post is in the queue of
 * the other end when it returns. It cannot move anything, and Node lets what
 * counts as transferable (a KeyObject, say) pass only between two ends that
 * are alone on it. So there is one for the loop, with which lanes begin, and
 * one for each lane once the loop has adopted it.
 */
import { types } from 'node:util';
import { BroadcastChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { shown } from '../errors.js';
import { LaneWord } from './lane-header.js';
import {
  FIRST,
  type KeepPost,
  type Post,
  type SidePoster,
  type SideSource,
  toDataCloneError,
} from './side-channel.js';

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
    const movable = moved === undefined ? values : moveBytes(values, moved);
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
    // Pairs with the store in listenToLane().
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

/** Where the lanes of a loop begin. */
export function listenToLoop(loop: string, keep: KeepPost): SideSource {
  return new BroadcastSource(loopChannelName(loop), keep);
}

/** From now on the lane has a channel of its own. */
export function listenToLane(
  loop: string,
  lane: number,
  header: Int32Array,
  keep: KeepPost,
): SideSource {
  const source = new BroadcastSource(laneChannelName(loop, lane), keep);
  Atomics.store(header, LaneWord.ADOPTED, 1);
  return source;
}

class BroadcastSource implements SideSource {
  readonly #channel: BroadcastChannel;
  readonly #keep: KeepPost;

  constructor(name: string, keep: KeepPost) {
    this.#channel = openUnref(name);
    this.#keep = keep;
    // Node's own loop hands over, and forgets, what was not received before it comes round.
    this.#channel.onmessage = (event) => keep((event as { data: Post }).data, this);
  }

  receive(): void {
    for (;;) {
      // Node documents this use, which its types leave out.
      const received = receiveMessageOnPort(this.#channel as unknown as MessagePort);
      if (received === undefined) return;
      this.#keep(received.message as Post, this);
    }
  }

  /** What was posted can still be taken. */
  close(): void {
    this.receive();
    this.#channel.close();
  }
}

/** What is posted is copied; so the original is moved into what is posted. */
function moveBytes(values: readonly unknown[], moved: ReadonlySet<unknown>): readonly unknown[] {
  const transfer = [...moved] as ArrayBuffer[];
  const immovable = transfer.find((value) => !types.isArrayBuffer(value));
  if (immovable !== undefined) throw cannotMove(immovable);
  try {
    return structuredClone(values, { transfer });
  } catch (error) {
    throw toDataCloneError(error);
  }
}

function cannotMove(value: unknown): DOMException {
  const message =
    `${shown(value)} cannot be moved to a thread with which this one shares no more than a ` +
    'sender; post it to the worker, or send it between the actors of a system';
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
