/**
 * What the nodes, the referee and the screen have in common: the timing of the
 * cluster, what a node reports, and what can be seen of it from outside.
 */
import type { SocketAddress } from 'millrace';

/** A leader speaks this often ... */
export const HEARTBEAT_MS = 50;

/** ... and a node that hears nothing for a time drawn from this range stands for election. */
export const ELECTION_MIN_MS = 150;
export const ELECTION_MAX_MS = 300;

export type Role = 'down' | 'follower' | 'candidate' | 'leader';

/** What a node did or saw. The clock is that of `loop.now()`, one for all threads. */
export type NodeEvent = { node: number; atMs: number } & (
  | { kind: 'started' | 'startFailed' | 'crashed' }
  | { kind: 'campaigned'; term: number; timeoutMs: number }
  | { kind: 'elected'; term: number; votes: number }
  | { kind: 'steppedDown'; term: number; newTerm: number }
  | { kind: 'heartbeatSent'; term: number }
  | { kind: 'heartbeatReceived'; term: number; leader: number; accepted: boolean }
);

/** A glance at a node. */
export interface NodeStatus {
  id: number;
  address: SocketAddress;
  role: Role;
  term: number;
  votedFor: number | null;
  /** Of a candidate or leader: the votes of its term, its own included. */
  votes: number;
  heartbeatsSent: number;
  heartbeatsReceived: number;
  /** Datagrams refused: not ours, or not from the node that they name. */
  garbage: number;
  /** Datagrams that the kernel had no room for; to Raft, just lost. */
  unsent: number;
  /** What is left of the time drawn for the election timer. */
  timer: { leftMs: number; drawnMs: number } | null;
}

/** The same, with the thread on which the node runs. */
export interface PlacedStatus extends NodeStatus {
  shard: number;
}

/** People count from one. */
export function nodeName(id: number): string {
  return `n${id + 1}`;
}
