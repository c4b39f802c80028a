/**
 * The node of docs/how-to/write-a-raft-node.md: it elects leaders, and forgets
 * neither its term nor its vote. Messages and times are those of the example.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type ActorContext,
  type ActorRef,
  type ActorSystem,
  Handler,
  type SocketAddress,
  type Timeout,
  UdpSocket,
} from 'millrace';
import {
  ELECTION_MAX_MS,
  ELECTION_MIN_MS,
  HEARTBEAT_MS,
} from '../../examples/raft-election/contract.js';
import { decode, encode, FRAME_BYTES, type Message } from '../../examples/raft-election/wire.js';

/** More than a socket buffer of the usual 208 KiB holds, so one event empties it. */
const DATAGRAMS_PER_EVENT = 1024;

/** No log here: the entry before the first, which all logs share. */
const LOG = { lastLogIndex: 0, lastLogTerm: 0 };

/** Where the nodes of the cluster listen: the message that starts a node. */
export type Addresses = readonly SocketAddress[];
type Timer = 'election' | 'heartbeat';
type Context = ActorContext<Addresses, Timer>;

export interface Status {
  role: 'follower' | 'candidate' | 'leader';
  term: number;
  votedFor: number | null;
}

/** What a node must not forget, on disk before anybody hears of it. */
class Ballot {
  readonly #path: string;
  term = 0;
  votedFor: number | null = null;

  constructor(path: string) {
    this.#path = path;
    if (existsSync(path)) Object.assign(this, JSON.parse(readFileSync(path, 'utf8')));
  }

  /** Blocks until it is safe. */
  write(term: number, votedFor: number | null): void {
    const next = `${this.#path}.next`;
    writeFileSync(next, JSON.stringify({ term, votedFor }), { flush: true });
    renameSync(next, this.#path);
    const directory = openSync(dirname(this.#path), 'r');
    fsyncSync(directory);
    closeSync(directory);
    this.term = term;
    this.votedFor = votedFor;
  }
}

export class RaftNode extends Handler<Addresses, Timer> {
  readonly #id: number;
  readonly #ballot: Ballot;
  readonly #socket = UdpSocket.bind('127.0.0.1:0');
  readonly #datagram = new Uint8Array(FRAME_BYTES);
  readonly #votes = new Set<number>();
  #addresses: Addresses = [];
  #role: Status['role'] = 'follower';
  #election: Timeout | null = null;
  #heartbeat: Timeout | null = null;

  constructor(id: number, path: string) {
    super();
    this.#id = id;
    this.#ballot = new Ballot(path);
  }

  address(): SocketAddress {
    return this.#socket.localAddress;
  }

  status(): Status {
    const { term, votedFor } = this.#ballot;
    return { role: this.#role, term, votedFor };
  }

  override notify(context: Context, addresses: Addresses): void {
    this.#addresses = addresses;
    context.register(this.#socket, 0);
    this.#awaitHeartbeat(context);
  }

  override readable(context: Context): void {
    for (let count = 0; count < DATAGRAMS_PER_EVENT; count++) {
      const received = this.#socket.recvFrom(this.#datagram);
      if (received === null) return;
      const message = decode(this.#datagram.subarray(0, received.size));
      if (message === null || received.truncated) continue;
      if (this.#isFrom(message.from, received.address)) this.#receive(context, message);
    }
  }

  override timeout(context: Context, timer: Timer): void {
    if (timer === 'election') this.#campaign(context);
    else this.#broadcast({ kind: 'heartbeat', term: this.#ballot.term, from: this.#id });
  }

  override stopped(): void {
    this.#socket.close();
  }

  #receive(context: Context, message: Message): void {
    const ballot = this.#ballot;
    if (message.term > ballot.term) this.#enter(context, message.term);
    const isCurrent = message.term === ballot.term;
    const reply = { term: ballot.term, from: this.#id };
    if (message.kind === 'voteRequest') {
      const granted = isCurrent && this.#vote(context, message.from);
      this.#send(message.from, { ...reply, kind: 'voteReply', granted });
    } else if (message.kind === 'voteReply') {
      if (isCurrent && message.granted) this.#count(context, message.from);
    } else if (message.kind === 'heartbeat') {
      if (isCurrent) this.#follow(context);
      this.#send(message.from, { ...reply, kind: 'heartbeatReply', accepted: isCurrent });
    }
  }

  /** A term of which it has not heard. Only a leader had no election timer. */
  #enter(context: Context, term: number): void {
    this.#ballot.write(term, null);
    if (this.#role === 'leader') this.#awaitHeartbeat(context);
    this.#role = 'follower';
    this.#stopHeartbeats(context);
  }

  #follow(context: Context): void {
    this.#role = 'follower';
    this.#awaitHeartbeat(context);
  }

  #vote(context: Context, candidate: number): boolean {
    const { term, votedFor } = this.#ballot;
    if (votedFor !== null) return votedFor === candidate;
    this.#ballot.write(term, candidate);
    this.#awaitHeartbeat(context);
    return true;
  }

  #campaign(context: Context): void {
    this.#ballot.write(this.#ballot.term + 1, this.#id);
    this.#role = 'candidate';
    this.#votes.clear();
    this.#awaitHeartbeat(context);
    this.#broadcast({ kind: 'voteRequest', term: this.#ballot.term, from: this.#id, ...LOG });
    this.#count(context, this.#id);
  }

  #count(context: Context, voter: number): void {
    if (this.#role !== 'candidate') return;
    this.#votes.add(voter);
    if (this.#votes.size <= this.#addresses.length / 2) return;
    this.#role = 'leader';
    if (this.#election !== null) context.clearTimeout(this.#election);
    this.#heartbeat = context.interval('heartbeat', HEARTBEAT_MS);
    this.timeout(context, 'heartbeat');
  }

  #awaitHeartbeat(context: Context): void {
    if (this.#election !== null) context.clearTimeout(this.#election);
    const spreadMs = ELECTION_MAX_MS - ELECTION_MIN_MS;
    const delayMs = ELECTION_MIN_MS + context.random() * spreadMs;
    this.#election = context.timeout('election', delayMs);
  }

  #stopHeartbeats(context: Context): void {
    if (this.#heartbeat !== null) context.clearTimeout(this.#heartbeat);
    this.#heartbeat = null;
  }

  #broadcast(message: Message): void {
    for (let id = 0; id < this.#addresses.length; id++) {
      if (id !== this.#id) this.#send(id, message);
    }
  }

  #isFrom(id: number, { address, port }: SocketAddress): boolean {
    const peer = this.#addresses[id];
    return id !== this.#id && peer?.address === address && peer.port === port;
  }

  /** What the system has no room for is lost, as any datagram may be. */
  #send(id: number, message: Message): void {
    const address = this.#addresses[id];
    if (address !== undefined) this.#socket.sendTo(encode(message), address);
  }
}

/** A cluster in one process; nodes of machines of their own know their addresses beforehand. */
export async function startCluster(
  system: ActorSystem,
  size: number,
  directory: string,
): Promise<ActorRef<Addresses>[]> {
  const module = new URL(import.meta.url);
  const supervision = { onCrash: 'stop' } as const;
  const nodes = await Promise.all(
    Array.from({ length: size }, (_, id) => {
      const args = [id, join(directory, `node-${id}`)];
      return system.spawn<Addresses>(module, { args, supervision });
    }),
  );
  const addresses = await Promise.all(nodes.map((node) => node.proxy<RaftNode>().address()));
  for (const node of nodes) node.send(addresses);
  return nodes;
}
