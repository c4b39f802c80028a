/**
 * One Raft node: leader election by the rules of the Raft paper (Ongaro and
 * Ousterhout, 2014, figure 2 and section 5.2), and nothing else.
 *
 *     down --start--> follower --timer ran out--> candidate --majority--> leader
 *                        ^  ^                        | |                    |
 *                        |  +---leader of the term---+ +--timer: next term  |
 *                        +----------------a higher term---------------------+
 *
 * The node is an actor: a Handler with an address. Everything it knows of the
 * outside comes through its loop (datagrams, timers, commands, the clock,
 * chance) and its public methods. It need not know that it may share its thread
 * with other nodes or run on one of its own: which, the director decides.
 */
import { type EventLoop, Handler, type SocketAddress, type Timeout, UdpSocket } from 'millrace';
import {
  ELECTION_MAX_MS,
  ELECTION_MIN_MS,
  HEARTBEAT_MS,
  type NodeStatus,
  type Role,
} from './contract.js';
import { type Journal, JournalWriter } from './journal.js';
import { decode, encode, FRAME_BYTES, type Message, type VoteRequest } from './wire.js';

/** Another socket may have taken the port while the node was down. */
const START_RETRY_MS = 100;

/** More than a socket buffer of the usual 208 KiB holds, so one event empties it. */
const DATAGRAMS_PER_EVENT = 1024;

/** No log in this program: the entry before the first, which all logs share. */
const LAST_LOG_INDEX = 0;
const LAST_LOG_TERM = 0;

/** `crash` is silent, as a crash is: the others hear of it by hearing nothing. */
export type NodeCommand = 'start' | 'crash';
export type NodeTimer = 'start' | 'election' | 'heartbeat';
export type NodeLoop = EventLoop<NodeCommand, NodeTimer>;

interface ElectionTimer {
  handle: Timeout;
  dueMs: number;
  drawnMs: number;
}

export class RaftNode extends Handler<NodeCommand, NodeTimer> {
  readonly #id: number;
  readonly #journal: JournalWriter;
  readonly #datagram = new Uint8Array(FRAME_BYTES);
  /** Where all nodes of the cluster listen, this one included. */
  #addresses: readonly SocketAddress[] = [];

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

  /** `id` is the index of this node among the addresses of the cluster. */
  constructor(id: number, journal: Journal) {
    super();
    this.#id = id;
    this.#journal = new JournalWriter(journal);
  }

  // What others may call, from any thread.

  /** Takes a port, and tells which. To be called once, while the node is down. */
  bind(): SocketAddress {
    this.#socket = UdpSocket.bind('127.0.0.1:0');
    return this.#socket.localAddress;
  }

  /** Tells the node of its cluster, before its first start. */
  join(addresses: readonly SocketAddress[]): void {
    this.#addresses = addresses;
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

  // What the loop tells.

  override notify(loop: NodeLoop, command: NodeCommand): void {
    if (command === 'start') this.#start(loop);
    else this.#crash(loop);
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

  override stopped(): void {
    this.#socket?.close();
  }

  // Life and death.

  #start(loop: NodeLoop): void {
    if (this.#role !== 'down') return;
    this.#startTimer = this.#clear(loop, this.#startTimer);
    try {
      this.#socket ??= UdpSocket.bind(this.#addresses[this.#id]);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      this.#startTimer = loop.timeout('start', START_RETRY_MS);
      this.#journal.write({ kind: 'startFailed', node: this.#id, atMs: loop.now() });
      return;
    }
    loop.register(this.#socket, loop.nextToken());
    this.#role = 'follower';
    this.#restartElectionTimer(loop);
    this.#journal.write({ kind: 'started', node: this.#id, atMs: loop.now() });
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
    this.#journal.write({ kind: 'crashed', node: this.#id, atMs: loop.now() });
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
        if (this.#votes.size > this.#addresses.length / 2) this.#lead(loop);
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
    this.#journal.write({ kind: 'campaigned', node: this.#id, atMs: loop.now(), term, timeoutMs });
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
    this.#journal.write({ kind: 'heartbeatReceived', ...event });
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
    this.#journal.write({ kind: 'elected', ...event, votes: this.#votes.size });
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
    this.#journal.write({ kind: 'steppedDown', ...event });
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
    this.#broadcast({ kind: 'heartbeat', term: this.#term, from: this.#id });
    this.#heartbeatsSent += this.#addresses.length - 1;
    // Only now: with its thread halted before, the others would be right to miss them.
    this.#journal.write({ kind: 'heartbeatSent', ...event });
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
