/**
 * The vocabulary of the stall scenario, shared by the source of heartbeats,
 * its followers, and those who start them.
 *
 * A STALE TIMEOUT, exactly: the follower's election timer is armed when
 * heartbeat k is delivered, with deadline D. The timeout is delivered. It is
 * stale if heartbeat k + 1 had arrived at the follower before D: the timer
 * should have been cleared by it, had the loop looked.
 *
 * When a heartbeat arrived is told by its source, which is another process on
 * the same CLOCK_MONOTONIC: each heartbeat carries the moment by which the
 * system call that sent the one before it had returned. On the loopback
 * interface it lies in the receiver's buffer by then. A stamp taken before the
 * call would be too early by any preemption between the two, and would find
 * stale timeouts where there are none. On a channel the arrival is `send()`.
 */

/** Heartbeats are this far apart. */
export const HEARTBEAT_MS = 50;

/** The election timeout is drawn from here, anew each time. */
export const ELECTION_MIN_MS = 150;
export const ELECTION_MAX_MS = 300;

/** Datagrams of one byte, by which a follower asks the source to begin and to end. */
export const HELLO = 1;
export const BYE = 0;

/** u32 sequence | u32 unused | f64 when the one before had been sent, in ms. */
export const FRAME_BYTES = 16;

/**
 * A busy kernel may deliver a loopback packet from a thread of its own, some
 * moments after the sender's call returned. An arrival so close to the
 * deadline proves nothing.
 */
const ARRIVAL_MARGIN_MS = 2;

/**
 * Where a stall can happen. `io`: in the callback of the heartbeats' socket;
 * `request`: of another; `poll`: between the poll and what it is followed by.
 */
export const PLACES = [
  'io',
  'request',
  'timer',
  'message',
  'immediate',
  'microtask',
  'fs',
  'poll',
] as const;
export type Place = (typeof PLACES)[number];

export type Transport = 'udp' | 'tcp' | 'channel';

export interface FollowerOptions {
  /** Ports of the source on 127.0.0.1. */
  ports: { udp: number; tcp: number };
  transport: Transport;
  /** How the loop is run. Followers that stand on Node alone ignore it. */
  mode: 'thread' | 'inline' | 'sync';
  /** One is drawn for each stall; empty when the process is stopped from outside. */
  places: readonly Place[];
  /** The follower ends after so many; 0: when it is sent SIGTERM. */
  stalls: number;
  /** No heartbeats: the follower ends after so many timeouts. 0: with heartbeats. */
  silentTimeouts: number;
  stallMinMs: number;
  stallMaxMs: number;
  /** Whether a stall burns processor time; else the thread is blocked. To the loop it is one. */
  spin: boolean;
  /** Other sockets that are ready when a stall ends, before the heartbeats. */
  busySockets: number;
  /** Other messages that are queued before a heartbeat when a stall begins. */
  backlog: number;
  eventsCapacity: number;
  messagesPerTick: number;
  seed: number;
}

export interface FollowerReport {
  stalls: number;
  heartbeats: number;
  /** Heartbeats that never came; must be 0, or the counts below prove nothing. */
  lost: number;
  /** Timeouts delivered, and those of them that were stale. */
  timeouts: number;
  stale: number;
  /** By how much the missed heartbeats had arrived before the deadlines, at most. */
  stalestMs: number;
}

/** CLOCK_MONOTONIC in milliseconds: the same in all processes, and the clock of `loop.now()`. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function encodeFrame(sequence: number, previousSentMs: number): Buffer {
  const frame = Buffer.alloc(FRAME_BYTES);
  frame.writeUInt32LE(sequence, 0);
  frame.writeDoubleLE(previousSentMs, 8);
  return frame;
}

/** Decides which of the delivered timeouts were stale. */
export class Referee {
  heartbeats = 0;
  timeouts = 0;
  stale = 0;
  stalestMs = 0;
  #last = -1;
  #lost = 0;
  /** Timeouts whose next heartbeat has not been dated yet. */
  #suspects: { dueMs: number; missing: number }[] = [];

  /** A heartbeat was delivered to the follower. */
  delivered(sequence: number): void {
    this.heartbeats += 1;
    if (this.#last >= 0) this.#lost += sequence - this.#last - 1;
    this.#last = sequence;
  }

  /** When a heartbeat had arrived is known now. */
  arrived(sequence: number, atMs: number): void {
    const judged = this.#suspects.filter((suspect) => suspect.missing <= sequence);
    this.#suspects = this.#suspects.filter((suspect) => suspect.missing > sequence);
    for (const { dueMs, missing } of judged) {
      const earlierMs = dueMs - atMs;
      if (missing !== sequence || earlierMs <= ARRIVAL_MARGIN_MS) continue;
      this.stale += 1;
      this.stalestMs = Math.max(this.stalestMs, earlierMs);
    }
  }

  /** The election timeout was delivered, before the next heartbeat was. */
  timedOut(dueMs: number): void {
    this.timeouts += 1;
    this.#suspects.push({ dueMs, missing: this.#last + 1 });
  }

  report(stalls: number): FollowerReport {
    const { heartbeats, timeouts, stale, stalestMs } = this;
    return { stalls, heartbeats, lost: this.#lost, timeouts, stale, stalestMs };
  }
}
