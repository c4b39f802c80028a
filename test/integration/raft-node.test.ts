/**
 * The node of docs/how-to/write-a-raft-node.md: alone, with a test that plays
 * its peers over node:dgram, and in a cluster of three.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { ELECTION_MAX_MS } from '../../examples/raft-election/contract.js';
import { decode, encode, type Message } from '../../examples/raft-election/wire.js';
import { type ActorRef, ActorSystem } from '../../src/index.js';
import { type Addresses, type RaftNode, startCluster, type Status } from '../docs/raft-node.js';
import type { StallingNode } from '../docs/stalling-node.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';

leavesNothingBehind();

const MODULE = new URL('../docs/stalling-node.js', import.meta.url);
const LOG = { lastLogIndex: 0, lastLogTerm: 0 };

/** For threads of a machine that is busy with something else. */
const DEADLINE_MS = 30_000;

/** Far above what the node has reached by standing for election itself. */
const TERM = 1000;

describe('a Raft node', function () {
  this.timeout(60_000);

  let directory: string;
  let system: ActorSystem;
  let crashes: unknown[];
  let node: ActorRef<Addresses>;
  let peers: Peer[];

  async function startSystem(shards: number): Promise<void> {
    system = await ActorSystem.start({ shards });
    system.on('crash', ({ error }) => crashes.push(error));
  }

  /** Node 0 of three; the test plays the others. */
  async function startNode(): Promise<void> {
    await startSystem(1);
    const args = [0, join(directory, 'node-0')];
    node = await system.spawn<Addresses>(MODULE, { args });
    const target = await node.proxy<RaftNode>().address();
    peers = await Promise.all([1, 2].map(() => Peer.open(target.port)));
    node.send([target, ...peers.map((peer) => ({ ...target, port: peer.port }))]);
  }

  async function stopAll(): Promise<void> {
    for (const peer of peers) peer.close();
    peers = [];
    await system.stop();
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-raft-'));
    peers = [];
    crashes = [];
  });

  afterEach(async () => {
    await stopAll();
    rmSync(directory, { recursive: true });
    expect(crashes).to.deep.equal([]);
  });

  it('stands for election, leads with a majority, and steps down for a higher term', async () => {
    await startNode();
    const [one] = peers as [Peer, Peer];
    // Its term may be over before the vote arrives: then the next one is asked for.
    one.onMessage = ({ kind, term }) => {
      if (kind === 'voteRequest')
        void one.send({ kind: 'voteReply', term, from: 1, granted: true });
    };
    const { term } = await one.next('heartbeat');
    expect(await node.proxy<RaftNode>().status()).to.include({ role: 'leader', term, votedFor: 0 });
    await one.send({ kind: 'heartbeat', term: TERM, from: 1 });
    expect(await one.next('heartbeatReply')).to.include({ term: TERM, accepted: true });
  });

  it('gives one vote a term, also after it was started anew', async () => {
    await startNode();
    const [one] = peers as [Peer, Peer];
    await one.send({ kind: 'voteRequest', term: TERM, from: 1, ...LOG });
    expect(await one.next('voteReply')).to.include({ term: TERM, granted: true });
    await stopAll();
    await startNode();
    const [, two] = peers as [Peer, Peer];
    await two.send({ kind: 'voteRequest', term: TERM, from: 2, ...LOG });
    const { term, granted } = await two.next('voteReply');
    expect(granted).to.equal(false);
    // By now it may have stood for election itself.
    expect(term).to.be.at.least(TERM);
  });

  it('L2: stopped for longer than an election takes, it stays with its leader', async () => {
    await startNode();
    const [leader] = peers as [Peer, Peer];
    let term = TERM;
    for (let stalls = 0; stalls < 3; term += 10) {
      await leader.send({ kind: 'heartbeat', term, from: 1 });
      const words = new Int32Array(new SharedArrayBuffer(8));
      const stalled = node.proxy<StallingNode>().stall(words, ELECTION_MAX_MS + 100);
      await eventually(() => expect(Atomics.load(words, 0)).to.equal(1), DEADLINE_MS);
      leader.forget();
      await leader.send({ kind: 'heartbeat', term, from: 1 });
      Atomics.store(words, 0, 2);
      Atomics.notify(words, 0);
      // It may have been this thread that was late, with the first heartbeat or with the stall.
      const before = await stalled;
      if (before.term !== term || before.role !== 'follower') continue;
      const { accepted } = await leader.next('heartbeatReply');
      expect({ accepted, ...(await node.proxy<RaftNode>().status()) }).to.deep.include({
        accepted: true,
        role: 'follower',
        term,
      });
      stalls += 1;
    }
  });

  it('elects a leader among three, each on its thread, and another when that is gone', async () => {
    await startSystem(3);
    const nodes = await startCluster(system, 3, directory);
    const first = await leaderOf(nodes);
    await first.node.stop();
    const left = nodes.filter((each) => each !== first.node);
    const second = await leaderOf(left);
    expect(second.term).to.be.above(first.term);
  });
});

/** The leader of the latest term, once there is one that the others follow. */
async function leaderOf(nodes: readonly ActorRef<Addresses>[]) {
  return eventually(async () => {
    const all = await Promise.all(nodes.map((node) => node.proxy<RaftNode>().status()));
    const term = Math.max(...all.map((status) => status.term));
    const roles = all.map((status: Status) => (status.term === term ? status.role : 'behind'));
    expect(roles.toSorted()).to.deep.equal([...followers(nodes.length - 1), 'leader']);
    return { node: nodes[roles.indexOf('leader')], term };
  }, DEADLINE_MS);
}

function followers(count: number): string[] {
  return new Array<string>(count).fill('follower');
}

/** Another node, played by the test. */
class Peer {
  readonly #socket: Socket;
  readonly #targetPort: number;
  readonly #inbox: Message[] = [];
  onMessage: (message: Message) => void = () => {};

  static async open(targetPort: number): Promise<Peer> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new Peer(targetPort, socket);
  }

  private constructor(targetPort: number, socket: Socket) {
    this.#targetPort = targetPort;
    this.#socket = socket;
    socket.on('message', (datagram) => {
      const message = decode(datagram);
      if (message === null) return;
      this.#inbox.push(message);
      this.onMessage(message);
    });
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Resolves when it is in the other's socket. */
  send(message: Message): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(encode(message), this.#targetPort, '127.0.0.1', (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  /** The next message of this kind; those of other kinds before it are passed over. */
  async next<K extends Message['kind']>(kind: K): Promise<Extract<Message, { kind: K }>> {
    for (;;) {
      const message = this.#inbox.shift();
      if (message === undefined) await once(this.#socket, 'message');
      else if (message.kind === kind) return message as Extract<Message, { kind: K }>;
    }
  }

  /** What came before now is not waited for. */
  forget(): void {
    this.#inbox.length = 0;
  }

  close(): void {
    this.#socket.close();
  }
}
