/**
 * One Raft node: leader election by the rules of the Raft paper (Ongaro and
 * Ousterhout, 2014, figure 2 and section 5.2), and nothing else.
 *
 *     down --start--> follower --timer ran out--> candidate --majority--> leader
 *                        ^  ^                        | |                    |
 *                        |  +---leader of the term---+ +--timer: next term  |
 *                        +----------------a higher term---------------------+
 *
 * The node is a Handler. Everything it knows of the outside comes through its
 * loop (datagrams, timers, commands, the clock, chance), so the class runs
 * wherever a loop does.
 */
import { type EventLoop, Handler, type SocketAddress, type Timeout, UdpSocket } from 'millrace';
import {
  ELECTION_MAX_MS,
  ELECTION_MIN_MS,
  HEARTBEAT_MS,
  type NodeEvent,
  type NodeStatus,
  type Role,
} from './contract.js';
import { decode, encode, FRAME_BYTES, type Message, type VoteRequest } from './wire.js';

/** Another socket may have taken the port while the node was down. */
const START_RETRY_MS = 100;

/** More than a socket buffer of the usual 208 KiB holds, so one event empties it. */
const DATAGRAMS_PER_EVENT = 1024;

/** No log in this program: the entry before the first, which all logs share. */
const LAST_LOG_INDEX = 0;
const LAST_LOG_TERM = 0;

/** `crash` is silent, as a crash is: the others hear of it by hearing nothing. */
export type NodeCommand = 'start' | 'crash' | 'stop';
export type NodeTimer = 'start' | 'election' | 'heartbeat';
export type NodeLoop = EventLoop<NodeCommand, NodeTimer>;

export interface RaftNodeOptions {
  /** Index of this node in `addresses`. */
  id: number;
  /** Where all nodes of the cluster listen, this one included. */
  addresses: readonly SocketAddress[];
  /** Already bound to this node's address, for the first start; later ones bind anew. */
  socket?: UdpSocket;
  /** Called on the loop's thread, in the midst of a callback: it must not throw. */
  observe: (event: NodeEvent) => void;
}

interface ElectionTimer {
  handle: Timeout;
  dueMs: number;
  drawnMs: number;
}

export class RaftNode extends Handler<NodeCommand, NodeTimer> {
  readonly #id: number;
  readonly #addresses: readonly SocketAddress[];
  readonly #majority: number;
  readonly #observe: RaftNodeOptions['observe'];
  readonly #datagram = new Uint8Array(FRAME_BYTES);

  // What a real node writes to its disk before it answers; outlives a crash.
  #term = 0;
  #votedFor: number | null = null;

  // What a crash wipes out.
  #role: Role = 'down';
  readonly #votes = new Set<number>();
  #socket: UdpSocket | null = null;
  #electionTimer: ElectionTimer | null = null;
  #heartbeatTimer: Timeout | null = null;
  #startTimer: Timeout | null = null;

  // Counted for the screen, over all lives.
  #heartbeatsSent = 0;
  #heartbeatsReceived = 0;
  #garbage = 0;
  #unsent = 0;
  #firstSocket: UdpSocket | null;

  constructor(options: RaftNodeOptions) {
    super();
    this.#id = options.id;
    this.#addresses = options.addresses;
    this.#majority = Math.floor(options.addresses.length / 2) + 1;
    this.#firstSocket = options.socket ?? null;
    this.#observe = options.observe;
  }

  status(nowMs: number): NodeStatus {
    const timer = this.#electionTimer;
    return {
      id: this.#id,
      address: this.#addresses[this.#id],
      role: this.#role,
      term: this.#term,
      votedFor: this.#votedFor,
      votes: this.#votes.size,
      heartbeatsSent: this.#heartbeatsSent,
      heartbeatsReceived: this.#heartbeatsReceived,
      garbage: this.#garbage,
      unsent: this.#unsent,
      timer: timer && { leftMs: Math.max(0, timer.dueMs - nowMs), drawnMs: timer.drawnMs },
    };
  }

  override notify(loop: NodeLoop, command: NodeCommand): void {
    if (command === 'start') {
      this.#start(loop);
      return;
    }
    this.#crash(loop);
    if (command === 'stop') {
      this.#firstSocket?.close();
      loop.shutdown();
    }
  }

  override readable(loop: NodeLoop): void {
    // A message may make the node go down; then there is no socket to go on with.
    for (let count = 0; count < DATAGRAMS_PER_EVENT && this.#socket !== null; count++) {
      const received = this.#socket.recvFrom(this.#datagram);
      if (received === null) return;
      const bytes = this.#datagram.subarray(0, received.size);
      const message = received.truncated ? null : decode(bytes);
      if (message === null || !this.#isFrom(message.from, received.address)) this.#garbage++;
      else this.#receive(loop, message);
    }
  }

  override timeout(loop: NodeLoop, timer: NodeTimer): void {
    if (timer === 'start') this.#start(loop);
    else if (timer === 'election') this.#campaign(loop);
    else this.#sendHeartbeats(loop);
  }

  // Life and death.

  #start(loop: NodeLoop): void {
    if (this.#role !== 'down') return;
    this.#startTimer = this.#clear(loop, this.#startTimer);
    try {
      this.#socket = this.#firstSocket ?? UdpSocket.bind(this.#addresses[this.#id]);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      this.#startTimer = loop.timeout('start', START_RETRY_MS);
      this.#observe({ kind: 'startFailed', node: this.#id, atMs: loop.now() });
      return;
    }
    this.#firstSocket = null;
    loop.register(this.#socket, loop.nextToken());
    this.#role = 'follower';
    this.#restartElectionTimer(loop);
    this.#observe({ kind: 'started', node: this.#id, atMs: loop.now() });
  }

  #crash(loop: NodeLoop): void {
    this.#startTimer = this.#clear(loop, this.#startTimer);
    if (this.#role === 'down') return;
    this.#socket?.close();
    this.#socket = null;
    this.#heartbeatTimer = this.#clear(loop, this.#heartbeatTimer);
    this.#stopElectionTimer(loop);
    this.#votes.clear();
    this.#role = 'down';
    this.#observe({ kind: 'crashed', node: this.#id, atMs: loop.now() });
  }

  // The rules.

  #receive(loop: NodeLoop, message: Message): void {
    // All servers: a higher term is a newer world, in which this node has no office.
    if (message.term > this.#term) this.#enterTerm(loop, message.term);
    switch (message.kind) {
      case 'voteRequest':
        this.#answerVoteRequest(loop, message);
        break;
      case 'voteReply':
        // A late reply to an earlier campaign has an earlier term.
        if (this.#role !== 'candidate' || message.term < this.#term || !message.granted) break;
        this.#votes.add(message.from);
        if (this.#votes.size >= this.#majority) this.#lead(loop);
        break;
      case 'heartbeat':
        this.#answerHeartbeat(loop, message.from, message.term);
        break;
      case 'heartbeatReply':
        // Nothing to replicate: all that a reply can tell is a higher term, handled above.
        break;
    }
  }

  #campaign(loop: NodeLoop): void {
    const timeoutMs = this.#electionTimer?.drawnMs ?? 0;
    this.#role = 'candidate';
    this.#term += 1;
    this.#votedFor = this.#id;
    this.#votes.clear();
    this.#votes.add(this.#id);
    // Drawn afresh, so that two candidates who split the votes do not meet again.
    this.#restartElectionTimer(loop);
    const term = this.#term;
    this.#observe({ kind: 'campaigned', node: this.#id, atMs: loop.now(), term, timeoutMs });
    this.#broadcast({
      kind: 'voteRequest',
      term,
      from: this.#id,
      lastLogIndex: LAST_LOG_INDEX,
      lastLogTerm: LAST_LOG_TERM,
    });
  }

  #answerVoteRequest(loop: NodeLoop, request: VoteRequest): void {
    const isFree = this.#votedFor === null || this.#votedFor === request.from;
    const granted = request.term === this.#term && isFree && isUpToDate(request);
    if (granted) {
      this.#votedFor = request.from;
      this.#restartElectionTimer(loop);
    }
    this.#send(request.from, { kind: 'voteReply', term: this.#term, from: this.#id, granted });
  }

  #answerHeartbeat(loop: NodeLoop, leader: number, term: number): void {
    // A second leader in one term would break Raft's first promise: the referee will say so,
    // and this node does not bow to it.
    const accepted = term === this.#term && this.#role !== 'leader';
    const event = { node: this.#id, atMs: loop.now(), term, leader, accepted };
    this.#heartbeatsReceived++;
    this.#observe({ kind: 'heartbeatReceived', ...event });
    if (accepted) {
      this.#role = 'follower';
      this.#votes.clear();
      this.#restartElectionTimer(loop);
    }
    this.#send(leader, { kind: 'heartbeatReply', term: this.#term, from: this.#id, accepted });
  }

  #lead(loop: NodeLoop): void {
    this.#role = 'leader';
    this.#stopElectionTimer(loop);
    this.#heartbeatTimer = loop.interval('heartbeat', HEARTBEAT_MS);
    const event = { node: this.#id, atMs: loop.now(), term: this.#term };
    this.#observe({ kind: 'elected', ...event, votes: this.#votes.size });
    this.#sendHeartbeats(loop);
  }

  #enterTerm(loop: NodeLoop, term: number): void {
    const event = { node: this.#id, atMs: loop.now(), term: this.#term, newTerm: term };
    const wasLeader = this.#role === 'leader';
    this.#term = term;
    this.#votedFor = null;
    this.#votes.clear();
    this.#role = 'follower';
    if (!wasLeader) return;
    this.#heartbeatTimer = this.#clear(loop, this.#heartbeatTimer);
    this.#restartElectionTimer(loop);
    this.#observe({ kind: 'steppedDown', ...event });
  }

  // Timers and datagrams.

  #restartElectionTimer(loop: NodeLoop): void {
    this.#stopElectionTimer(loop);
    const drawnMs = ELECTION_MIN_MS + loop.random() * (ELECTION_MAX_MS - ELECTION_MIN_MS);
    const handle = loop.timeout('election', drawnMs);
    this.#electionTimer = { handle, dueMs: loop.now() + drawnMs, drawnMs };
  }

  #stopElectionTimer(loop: NodeLoop): void {
    if (this.#electionTimer !== null) loop.clearTimeout(this.#electionTimer.handle);
    this.#electionTimer = null;
  }

  #clear(loop: NodeLoop, timer: Timeout | null): null {
    if (timer !== null) loop.clearTimeout(timer);
    return null;
  }

  #sendHeartbeats(loop: NodeLoop): void {
    const event = { node: this.#id, atMs: loop.now(), term: this.#term };
    this.#observe({ kind: 'heartbeatSent', ...event });
    this.#heartbeatsSent += this.#addresses.length - 1;
    this.#broadcast({ kind: 'heartbeat', term: this.#term, from: this.#id });
  }

  #broadcast(message: Message): void {
    for (let id = 0; id < this.#addresses.length; id++) {
      if (id !== this.#id) this.#send(id, message);
    }
  }

  #send(id: number, message: Message): void {
    const sent = this.#socket?.sendTo(encode(message), this.#addresses[id]);
    if (sent === null) this.#unsent++;
  }

  #isFrom(id: number, address: SocketAddress): boolean {
    const peer = this.#addresses[id];
    if (peer === undefined || id === this.#id) return false;
    return peer.address === address.address && peer.port === address.port;
  }
}

/** Whether the candidate's log ends no earlier than ours: the later term wins, then the longer. */
function isUpToDate(request: VoteRequest): boolean {
  if (request.lastLogTerm !== LAST_LOG_TERM) return request.lastLogTerm > LAST_LOG_TERM;
  return request.lastLogIndex >= LAST_LOG_INDEX;
}
