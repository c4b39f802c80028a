/** Servers that spread their connections over the shards of a system. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { ActorSystem } from '../../src/index.js';
import {
  type NetAddress,
  type NetAddressLike,
  type ShardedServerOptions,
  TcpServer,
  type TcpServerConfig,
} from '../../src/net/index.js';
import {
  ANNOUNCEMENTS,
  CONNECTS,
  DISCONNECTS,
  FLOODS,
  HANDLERS,
  OTHER_ERRORS,
  PEAK,
  REFUSALS,
  WORDS,
} from '../fixtures/net-handlers.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { connectTo, Peer } from '../support/net.js';
import { closingAfterEach } from '../support/sockets.js';
import { rejectionOf, thrownBy } from '../support/thrown.js';
import { Paths } from '../support/unix.js';

leavesNothingBehind();

const HANDLERS_MODULE = new URL('../fixtures/net-handlers.js', import.meta.url);

const CASES = [
  { name: 'TCP, on 2 shards', shards: 2, isUnix: false, reusePort: false },
  { name: 'TCP, on this thread', shards: 0, isUnix: false, reusePort: false },
  { name: 'TCP, each shard listening', shards: 2, isUnix: false, reusePort: true },
  { name: 'Unix, on 2 shards', shards: 2, isUnix: true, reusePort: false },
  { name: 'Unix, on this thread', shards: 0, isUnix: true, reusePort: false },
];

for (const { name, shards, isUnix, reusePort } of CASES) {
  describe(`servers on shards: ${name}`, function () {
    this.timeout(20_000);
    const own = closingAfterEach();
    const systems: ActorSystem[] = [];
    let words: Int32Array;

    beforeEach(() => {
      words = new Int32Array(new SharedArrayBuffer(4 * WORDS));
    });

    afterEach('stops the systems', async () => {
      await Promise.all(systems.map((system) => system.stop({ timeoutMs: 0 })));
      systems.length = 0;
    });

    const started = async () => {
      const system = await ActorSystem.start({ shards });
      systems.push(system);
      return system;
    };

    const address = (): NetAddressLike =>
      isUnix ? { path: own(new Paths()).next() } : '127.0.0.1:0';

    const build = (
      system: ActorSystem,
      config: Partial<TcpServerConfig> = {},
      options: ShardedServerOptions = { export: 'Echo', args: [words] },
    ) =>
      new TcpServer(system, { address: address(), reusePort, ...config }, HANDLERS_MODULE, options);

    async function serve(config: Partial<TcpServerConfig> = {}) {
      const system = await started();
      const server = build(system, config);
      await server.listen();
      return { system, server };
    }

    async function peerOf(at: NetAddress): Promise<Peer> {
      const peer = new Peer(connectTo(at));
      own({ close: () => peer.socket.destroy() });
      peer.socket.on('error', () => undefined);
      await once(peer.socket, 'connect');
      return peer;
    }

    async function peersOf(at: NetAddress, count: number): Promise<Peer[]> {
      const peers: Peer[] = [];
      for (let index = 0; index < count; index++) peers.push(await peerOf(at));
      return peers;
    }

    /** Which thread serves it, and under which id. */
    async function who(peer: Peer): Promise<{ thread: number; id: number }> {
      peer.socket.write('who');
      const line = await answerOf(peer);
      const [thread, id] = line.trim().split(' ').map(Number);
      return { thread, id };
    }

    it('N2: echoes whole messages, through all shards, each with ids of its own', async () => {
      const { server } = await serve();
      expect(server).to.include({ isListening: true, connectionCount: 0 });
      const count = reusePort ? 64 : 10;
      const peers = await peersOf(server.localAddress!, count);
      const told = await Promise.all(peers.map(who));
      expect(new Set(told.map(({ id }) => id)).size).to.equal(count);
      const perThread = new Map<number, number>();
      for (const { thread } of told) perThread.set(thread, (perThread.get(thread) ?? 0) + 1);
      expect(perThread.size).to.equal(Math.max(1, shards));
      if (!reusePort) {
        for (const share of perThread.values()) expect(share).to.equal(count / perThread.size);
      }
      expect(server.connectionCount).to.equal(count);
      const sent = Buffer.alloc(1 << 20, 'x');
      await Promise.all(
        peers.slice(0, 8).map(async (peer) => {
          const before = peer.receivedBytes;
          peer.socket.write(sent);
          await eventually(() => expect(peer.receivedBytes - before).to.equal(sent.length));
        }),
      );
      const commandBytes = 3 * count;
      const { bytesRead, bytesWritten } = server.metrics();
      expect(bytesRead).to.equal(8 * sent.length + commandBytes);
      const answered = peers.reduce((sum, peer) => sum + peer.receivedBytes, 0);
      expect(bytesWritten).to.equal(answered);
      expect(Atomics.load(words, ANNOUNCEMENTS)).to.equal(Math.max(1, shards));
      await server.stop();
      await Promise.all(peers.map((peer) => peer.seesEnd()));
      expect(server).to.include({ isListening: false, connectionCount: 0 });
      expect(Atomics.load(words, DISCONNECTS)).to.equal(count);
    });

    it('N4: maxConnections is exact over all shards, through storms and abrupt ends', async () => {
      const maxConnections = 5;
      const { server } = await serve({ maxConnections });
      const at = server.localAddress!;
      for (let round = 0; round < 10; round++) {
        const storm = Array.from({ length: 20 }, () => storming(at));
        await Promise.all(storm.map(({ settled }) => settled));
        expect(server.connectionCount).to.be.at.most(maxConnections);
        for (const { socket } of storm) {
          if (isUnix) socket.destroy();
          else socket.resetAndDestroy();
        }
        await eventually(() => expect(server.connectionCount).to.equal(0));
      }
      expect(Atomics.load(words, PEAK)).to.be.at.most(maxConnections);
      expect(Atomics.load(words, REFUSALS)).to.be.above(0);
      expect(Atomics.load(words, OTHER_ERRORS)).to.equal(0);
      // All slots are there again, and not one more.
      const peers = await peersOf(at, maxConnections);
      await Promise.all(peers.map(who));
      const before = Atomics.load(words, REFUSALS);
      const tooMany = await peerOf(at);
      await tooMany.seesEnd();
      await eventually(() => expect(Atomics.load(words, REFUSALS)).to.equal(before + 1));
      expect(server.connectionCount).to.equal(maxConnections);
      expect(server.metrics().refused).to.equal(before + 1);
      peers[0].socket.destroy();
      await eventually(() => expect(server.connectionCount).to.equal(maxConnections - 1));
      await who(await peerOf(at));
    });

    it('N6: a stop flushes what is queued on every shard, and removes the address', async () => {
      const { system, server } = await serve();
      const at = server.localAddress!;
      const peers = await peersOf(at, 4);
      await Promise.all(peers.map(who));
      const before = peers.map((peer) => peer.receivedBytes);
      for (const peer of peers) peer.socket.pause().write('many');
      await eventually(() => expect(Atomics.load(words, FLOODS)).to.equal(4));
      const stopped = server.stop({ timeoutMs: 20_000 });
      for (const peer of peers) peer.socket.resume();
      await stopped;
      await Promise.all(peers.map((peer) => peer.seesEnd()));
      peers.forEach((peer, index) => expect(peer.receivedBytes - before[index]).to.equal(8 << 20));
      expect(Atomics.load(words, DISCONNECTS)).to.equal(4);
      if ('path' in at) expect(existsSync(at.path!)).to.equal(false);
      await server.stop();
      expect((await rejectionOf(server.listen())).code).to.equal('ERR_SERVER_STOPPED');
      expect((await system.metrics()).actors).to.equal(0);
    });

    it('N6: a stop under load resolves, and the stop of the system closes all', async () => {
      const { server } = await serve();
      const { system, server: other } = await serve();
      const storm = Array.from({ length: 40 }, (_, index) =>
        storming((index % 2 === 0 ? server : other).localAddress!),
      );
      await server.stop({ timeoutMs: 0 });
      await system.stop();
      await Promise.all(storm.map(({ gone }) => gone));
      expect(server).to.include({ isListening: false, connectionCount: 0 });
      expect(other).to.include({ isListening: false, connectionCount: 0 });
      expect(Atomics.load(words, DISCONNECTS)).to.equal(Atomics.load(words, CONNECTS));
      await other.stop();
    });

    it('listen() rejects with what goes wrong, and leaves nothing', async () => {
      const system = await started();
      const failures: [ShardedServerOptions, string][] = [
        [{}, 'ERR_AMBIGUOUS_EXPORT'],
        [{ export: 'Missing' }, 'ERR_NO_HANDLER_CLASS'],
        [{ export: 'nothing' }, 'ERR_NOT_A_HANDLER'],
      ];
      for (const [options, code] of failures) {
        expect((await rejectionOf(build(system, {}, options).listen())).code).to.equal(code);
      }
      const thrown = await rejectionOf(build(system, {}, { export: 'Failing' }).listen());
      expect(thrown).to.be.instanceOf(RangeError).with.property('message', 'mine');
      const missing = new URL('./missing.js', import.meta.url);
      const server = new TcpServer(system, { address: address() }, missing);
      expect((await rejectionOf(server.listen())).code).to.equal('ERR_MODULE_NOT_FOUND');
      expect(server).to.include({ isListening: false, localAddress: null });
      expect((await system.metrics()).actors).to.equal(0);
    });

    it('listen() rejects with the error of the bind, and can be called again', async () => {
      const { system, server } = await serve();
      const at = server.localAddress as NetAddressLike & NetAddress;
      const other = build(system, { address: at, reusePort: false });
      const error = await rejectionOf(other.listen());
      expect(error).to.include({ code: 'EADDRINUSE', syscall: 'listen' });
      expect(error).to.be.instanceOf(Error);
      expect((await rejectionOf(server.listen())).code).to.equal('ERR_SERVER_LISTENING');
      await server.stop();
      await other.listen();
      await who(await peerOf(other.localAddress!));
    });

    it('N5: what callbacks throw, or reject with, ends its connection on its shard', async () => {
      const { server } = await serve();
      const count = reusePort ? 16 : 4;
      const peers = await peersOf(server.localAddress!, count + 1);
      const last = peers.pop()!;
      await Promise.all(peers.map(who));
      peers.forEach(({ socket }, index) => socket.write(index % 2 === 0 ? 'throw' : 'reject'));
      await Promise.all(peers.map((peer) => peer.seesEnd()));
      await eventually(() => expect(Atomics.load(words, DISCONNECTS)).to.equal(count));
      expect(Atomics.load(words, OTHER_ERRORS)).to.equal(count);
      expect(server.metrics()).to.include({ accepted: count + 1, closed: count });
      expect(server.metrics().callbackErrors).to.equal(count);
      await who(last);
      expect(server.connectionCount).to.equal(1);
    });

    it('what concerns connections is for the contexts of the shards', async () => {
      const { server } = await serve();
      const call = () => server.sendTo(1, 'x');
      expect(thrownBy(call)).to.have.property('code', 'ERR_SERVER_ON_SHARDS');
    });

    if (shards === 0) return;

    it('A6, N4: a shard dies: its slots are free, the others go on, it comes back', async () => {
      const { system, server } = await serve({ maxConnections: 64 });
      const at = server.localAddress!;
      for (let death = 0; death < 4; death++) {
        const peers = await peersOf(at, 24);
        const told = await Promise.all(peers.map(who));
        const victim = told[death % 2].thread;
        const others = peers.filter((_, index) => told[index].thread !== victim);
        const exited = new Promise((resolve) => {
          system.once('shardExit', resolve);
        });
        // Connections that come while it dies end, or are served by another.
        const storm = Array.from({ length: 10 }, () => storming(at));
        peers[told.findIndex(({ thread }) => thread === victim)].socket.write('exit');
        await exited;
        await Promise.all(others.map(who));
        await Promise.all(
          peers.filter((peer) => !others.includes(peer)).map((peer) => peer.seesEnd()),
        );
        for (const { socket } of storm) socket.destroy();
        await eventually(() => expect(server.connectionCount).to.equal(others.length));
        const { accepted, closed } = server.metrics();
        expect(accepted - closed).to.equal(others.length);
        expect(accepted).to.be.at.least(24 * (death + 1));
        // The address is the same, also where the acceptor has died.
        await eventually(() => expect(Atomics.load(words, HANDLERS)).to.equal(shards + death + 1));
        expect(server.localAddress).to.deep.equal(at);
        const threads = new Set<number>();
        const later: Peer[] = [];
        await eventually(async () => {
          const peer = await peerOf(at);
          later.push(peer);
          threads.add((await who(peer)).thread);
          expect(threads.size).to.equal(shards);
        });
        for (const { socket } of [...others, ...later]) socket.destroy();
        await eventually(() => expect(server.connectionCount).to.equal(0));
      }
      await server.stop();
      if ('path' in at) expect(existsSync(at.path!)).to.equal(false);
    });
  });
}

interface Storming {
  readonly socket: Socket;
  /** It was answered, or has ended. */
  readonly settled: Promise<unknown>;
  readonly gone: Promise<unknown>;
}

function storming(at: NetAddress): Storming {
  const socket = 'path' in at ? connect(at.path!) : connect(at.port, at.address);
  socket.on('error', () => undefined);
  socket.on('connect', () => socket.write('x'));
  const gone = new Promise((resolve) => {
    socket.once('close', resolve);
  });
  const answered = new Promise((resolve) => {
    socket.once('data', resolve);
  });
  return { socket, settled: Promise.race([answered, gone]), gone };
}

/** The next that comes; rejects when nothing comes any more. */
async function answerOf({ socket }: Peer): Promise<string> {
  const closed = new AbortController();
  const close = () => closed.abort();
  socket.once('close', close);
  if (socket.destroyed) closed.abort();
  try {
    const [answer] = (await once(socket, 'data', { signal: closed.signal })) as [Buffer];
    return answer.toString();
  } finally {
    socket.off('close', close);
  }
}
