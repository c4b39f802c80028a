/**
 * Ports between threads. What bytes cannot carry takes them where there is
 * one: a port moves whatever `postMessage()` can move, and copies what only
 * Node itself can copy.
 *
 *   thread A                              thread B
 *   lanes to loops of B ──┐           ┌─> loops of B
 *                        port ═════ port
 *   loops of A <──────────┘           └── lanes to loops of A
 *
 * Only a port can carry a port, so those who are in touch already provide it:
 * a thread gets one to its owner when it is started, and the home of a system
 * hands one to each pair of its shards.
 *
 * Nobody listens for messages here. A reader that finds in its lane that
 * there is a post reads the port itself, so a post wakes nobody and a port
 * keeps no thread alive. It closes when the other thread has gone and all that
 * it posted was read.
 */
import { type MessagePort, receiveMessageOnPort, type Transferable } from 'node:worker_threads';
import { nativeDriver } from '../poll/native-driver.js';
import {
  discard,
  FIRST,
  type KeepPost,
  type Post,
  type SidePoster,
  type SideSource,
  toDataCloneError,
} from './side-channel.js';

/** The loop, the post, and what is moved without being part of it. */
type PortPost = readonly [loop: string, post: Post, beside: readonly unknown[]];

/** The first message of each end: the thread that has it. */
type Greeting = number;

/** Ports by the thread at their other end, and those where it is not known yet. */
const ports = new Map<number, ThreadPort>();
const strangers = new Set<ThreadPort>();

/** The loops of this thread that receive. */
const listeners = new Map<string, KeepPost>();

/** Opens this thread's end. The other one may be on its way to its thread yet. */
export function openThreadPort(port: MessagePort): ThreadPort {
  const opened = new ThreadPort(port);
  strangers.add(opened);
  return opened;
}

export class ThreadPort implements SideSource {
  readonly #port: MessagePort;
  #thread: number | null = null;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('close', () => this.#forget());
    port.postMessage(nativeDriver.threads.thisThread satisfies Greeting);
  }

  post(message: PortPost, moved: ReadonlySet<unknown>): void {
    this.#port.postMessage(message, [...moved] as Transferable[]);
  }

  receive(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      const message = received.message as Greeting | PortPost;
      if (typeof message === 'number') this.#meet(message);
      else this.#keep(message);
    }
  }

  /** For the lanes of a thread it is one of many ends, and stays. */
  close(): void {}

  /** Closes both ends. What was posted here can still be taken. */
  end(): void {
    this.receive();
    this.#port.close();
    this.#forget();
  }

  #meet(thread: number): void {
    this.#thread = thread;
    strangers.delete(this);
    ports.set(thread, this);
  }

  #keep([loop, post, beside]: PortPost): void {
    discard(beside);
    const keep = listeners.get(loop);
    if (keep === undefined) discard(post[2]);
    else keep(post, this);
  }

  #forget(): void {
    strangers.delete(this);
    if (this.#thread !== null && ports.get(this.#thread) === this) ports.delete(this.#thread);
  }
}

/** The port to a thread, if there is one. */
export function portTo(thread: number): ThreadPort | undefined {
  if (!ports.has(thread)) for (const stranger of strangers) stranger.receive();
  return ports.get(thread);
}

export function listenToThreads(loop: string, keep: KeepPost): void {
  listeners.set(loop, keep);
}

export function stopListening(loop: string): void {
  listeners.delete(loop);
}

/** Takes in what all threads have posted. */
export function receiveFromThreads(): void {
  for (const port of [...strangers, ...ports.values()]) port.receive();
}

const NOTHING: ReadonlySet<unknown> = new Set();

export class PortPoster implements SidePoster {
  readonly #port: ThreadPort;
  readonly #loop: string;
  readonly #lane: number;
  #sequence = FIRST;

  constructor(port: ThreadPort, loop: string, lane: number) {
    this.#port = port;
    this.#loop = loop;
    this.#lane = lane;
  }

  post(values: readonly unknown[], moved: ReadonlySet<unknown> = NOTHING): void {
    const beside = [...moved].filter((value) => !values.includes(value));
    try {
      this.#port.post([this.#loop, [this.#lane, this.#sequence, values], beside], moved);
    } catch (error) {
      throw toDataCloneError(error);
    }
    this.#sequence += 1;
  }

  close(): void {}
}
