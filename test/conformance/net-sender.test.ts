/** Senders to one connection, for other threads: `sender(id)`. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { ActorSystem } from '../../src/index.js';
import { ConnectionSender, TcpServer } from '../../src/net/index.js';
import type { Outcome, Task } from '../fixtures/connection-sender.js';
import type { Borrower } from '../fixtures/net-lenders.js';
import { stagesAfterEach } from '../support/actors.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { connectTo, describeNet, Peer } from '../support/net.js';
import { closingAfterEach } from '../support/sockets.js';

leavesNothingBehind();

const QUIET = { onData: () => undefined };

async function senderOf(server: TcpServer, id: number): Promise<ConnectionSender> {
  return eventually(() => {
    const sender = server.sender(id);
    if (sender === undefined) throw new Error(`no connection ${id} yet`);
    return sender;
  });
}

async function outcomeOf(task: Task): Promise<Outcome> {
  const thread = new Worker(new URL('../fixtures/connection-sender.js', import.meta.url), {
    workerData: task,
  });
  const exited = once(thread, 'exit');
  const [outcome] = (await once(thread, 'message')) as [Outcome];
  await exited;
  return outcome;
}

/** Those of one thread, in the order in which they came. */
function numbersOf(lines: readonly string[], name: string): number[] {
  return lines.filter((line) => line.startsWith(`${name} `)).map((line) => Number(line.slice(2)));
}

describeNet('senders to connections', (stage) => {
  it('what threads send arrives whole, that of each in its order', async () => {
    const count = 5000;
    // Small: the threads are refused again and again, and lose nothing by it.
    const server = stage.serve(QUIET, { highWaterMarkBytes: 64 * 1024 });
    const peer = await stage.peer(server);
    const handle = (await senderOf(server, 1)).transfer();
    const tasks = ['a', 'b'].map((name) => outcomeOf({ handle, name, count }));
    const outcomes = await Promise.all(tasks);
    await eventually(() => expect(peer.text.split('\n')).to.have.length(2 * count + 1), 10_000);
    const lines = peer.text.split('\n');
    const all = Array.from({ length: count }, (_, number) => number);
    expect(numbersOf(lines, 'a')).to.deep.equal(all);
    expect(numbersOf(lines, 'b')).to.deep.equal(all);
    expect(outcomes[0].refusals + outcomes[1].refusals).to.be.above(0);
  });

  it('on its own thread sends copies, in a tick, and in the order of its calls', async () => {
    const server = stage.serve(QUIET);
    const peer = await stage.peer(server);
    const sender = await senderOf(server, 1);
    const bytes = Buffer.from('one ');
    expect(sender.send(bytes)).to.equal(true);
    bytes.fill('x');
    expect(sender.send('')).to.equal(true);
    expect(ConnectionSender.from(sender.transfer()).send('two')).to.equal(true);
    expect(peer.receivedBytes).to.equal(0);
    expect((await peer.receives(7)).toString()).to.equal('one two');
    expect(sender).to.include({ id: 1, closed: false });
  });

  it('N3: takes nothing while too much is queued or on its way, and then again', async () => {
    const highWaterMarkBytes = 1 << 20;
    const chunk = new Uint8Array(64 * 1024).fill(7);
    const loop = stage.running();
    const server = stage.serve(QUIET, { highWaterMarkBytes }, loop);
    const peer = await stage.peer(server);
    peer.socket.pause();
    const sender = await senderOf(server, 1);
    let taken = 0;
    // On its way: none of it arrives while this thread is busy.
    while (sender.send(chunk)) taken += 1;
    expect(taken * chunk.length).to.be.within(highWaterMarkBytes, highWaterMarkBytes * 1.1);
    // Queued: the kernel is full.
    await eventually(() => {
      while (sender.send(chunk)) taken += 1;
      expect(server.connection(1)!.queuedBytes).to.be.above(highWaterMarkBytes);
    });
    // Refused as well when nothing is on its way any more.
    for (let round = 0; round < 5; round++) {
      await eventually(() => expect(loop.metrics().pendingMessages).to.equal(0));
      while (sender.send(chunk)) taken += 1;
    }
    const { queuedBytes } = server.connection(1)!;
    expect(queuedBytes).to.be.at.most(2 * highWaterMarkBytes + 2 * chunk.length);
    peer.socket.resume();
    await peer.receives(taken * chunk.length);
    await eventually(() => expect(sender.send('x')).to.equal(true));
    await peer.receives(taken * chunk.length + 1);
    expect(peer.bytes.subarray(0, -1).equals(Buffer.alloc(taken * chunk.length, 7))).to.equal(true);
  });

  it('each sends to the connection of its own server, though their ids are the same', async () => {
    const loop = stage.running();
    const servers = [stage.serve(QUIET, {}, loop), stage.serve(QUIET, {}, loop)];
    const [first, second] = [await stage.peer(servers[0]), await stage.peer(servers[1])];
    const senders = [await senderOf(servers[0], 1), await senderOf(servers[1], 1)];
    for (const [index, sender] of senders.entries()) {
      expect(sender.send(`server ${index}`)).to.equal(true);
    }
    expect((await first.receives(8)).toString()).to.equal('server 0');
    expect((await second.receives(8)).toString()).to.equal('server 1');
  });

  it('never sends to another connection, and is closed with its own', async () => {
    const server = stage.serve(QUIET, { maxConnections: 1 });
    expect(server.sender(1)).to.equal(undefined);
    for (let id = 1; id < 10; id++) {
      const peer = await stage.peer(server);
      const sender = await senderOf(server, id);
      const other = ConnectionSender.from(sender.transfer());
      expect(sender.send('on its way')).to.equal(true);
      // It is closed before that arrives, by this side or by the other.
      if (id % 2 === 0) server.closeConnection(id);
      else server.connection(id)!.end('closed');
      expect(server.sender(id)).to.equal(undefined);
      expect([sender.closed, other.closed]).to.deep.equal([true, true]);
      expect([sender.send('x'), other.send('x')]).to.deep.equal([false, false]);
      peer.socket.end();
      await eventually(() => expect(server.connectionCount).to.equal(0));
      expect(peer.receivedBytes).to.equal(0);
    }
  });

  it('is refused when the channel is full, and after the stop and the close', async () => {
    const loop = stage.running({ notifyCapacity: 2 });
    const server = stage.serve(QUIET, {}, loop);
    const peers = await stage.peers(server, 2);
    const first = await senderOf(server, 1);
    const second = await senderOf(server, 2);
    expect([first.send('a'), second.send('b'), first.send('c')]).to.deep.equal([true, true, false]);
    await Promise.all(peers.map((peer) => peer.receives(1)));
    const lasting = ConnectionSender.from(second.transfer());
    await server.stop({ timeoutMs: 0 });
    expect([first.send('x'), lasting.send('x')]).to.deep.equal([false, false]);
    const next = stage.serve(QUIET, {}, loop);
    const peer = await stage.peer(next);
    const left = await senderOf(next, 1);
    expect(left.send('never told of')).to.equal(true);
    // What is for a guest is no message of the loop's.
    expect(loop.close()).to.deep.equal([]);
    expect(left.send('x')).to.equal(false);
    await peer.seesEnd();
    expect(peer.receivedBytes).to.equal(0);
  });
});

describe('senders to connections of actors', function () {
  this.timeout(40_000);
  const own = closingAfterEach();
  const start = stagesAfterEach();

  it('are closed when the instance is gone, and its next server is not reached', async () => {
    const stage = await start();
    const servers: TcpServer[] = [];
    const actor = await stage.play(
      {
        started: (context) => {
          const server = new TcpServer(context, { address: '127.0.0.1:0' }, QUIET);
          server.listen();
          servers.push(server);
        },
        notify: () => {
          throw new Error('crash');
        },
      },
      { supervision: { backoffMs: 1 } },
    );
    const peerOf = (server: TcpServer) => {
      const peer = new Peer(connectTo(server.localAddress!));
      own({ close: () => peer.socket.destroy() });
      return peer;
    };
    await eventually(() => expect(servers[0]?.isListening).to.equal(true));
    const first = peerOf(servers[0]);
    const sender = await senderOf(servers[0], 1);
    expect(sender.send('one')).to.equal(true);
    await first.receives(3);
    actor.send('crash');
    await eventually(() => expect(servers[1]?.isListening).to.equal(true));
    const second = peerOf(servers[1]);
    const next = await senderOf(servers[1], 1);
    expect(sender.send('x')).to.equal(false);
    expect(sender.closed).to.equal(true);
    expect(next.send('two')).to.equal(true);
    expect((await second.receives(3)).toString()).to.equal('two');
  });

  it('travel in messages between shards, and end with the shard', async () => {
    const system = await ActorSystem.start({ shards: 2 });
    own({ close: () => void system.stop({ timeoutMs: 0 }) });
    const module = new URL('../fixtures/net-lenders.js', import.meta.url);
    const borrower = await system.spawn<ConnectionSender>(module, { export: 'Borrower', shard: 1 });
    const api = borrower.proxy<Borrower>();
    const server = new TcpServer(system, { address: '127.0.0.1:0' }, module, {
      export: 'Lender',
      args: [borrower],
    });
    await server.listen();
    /** A connection whose sender has arrived at the borrower, which has used it. */
    const borrowed = async () => {
      const peer = new Peer(connectTo(server.localAddress!));
      own({ close: () => peer.socket.destroy() });
      peer.socket.on('error', () => undefined);
      // Where the acceptor has died, nobody takes it for a while.
      await eventually(() =>
        expect(peer.text.split('\n').length === 4 || peer.closed).to.equal(true),
      );
      expect(peer.text).to.match(/^(\d+:\d+):0\n\1:1\n\1:2\n$/);
      return peer;
    };
    const peers: Peer[] = [];
    while (peers.length < 4) peers.push(await borrowed());
    const said = peers.map(({ receivedBytes }) => receivedBytes);
    expect(await api.say('hello')).to.have.length(4);
    await Promise.all(peers.map((peer, index) => peer.receives(said[index] + 5)));
    // The one that serves here dies; the borrower lives in the other.
    const exited = new Promise((resolve) => {
      system.once('shardExit', resolve);
    });
    const threads = await Promise.all(peers.map(threadOf));
    const borrowers = Number(peers[0].text.split(':')[0]);
    const victim = threads.findIndex((thread) => thread !== borrowers);
    peers[victim].socket.write('exit');
    await exited;
    await eventually(async () => expect(await api.open()).to.have.length(2));
    expect(await api.say('again')).to.have.length(2);
    for (const [index, peer] of peers.entries()) {
      if (threads[index] !== borrowers) await peer.seesEnd();
      else await eventually(() => expect(peer.text).to.include('again'));
    }
    // Its next life lends as well.
    await eventually(
      async () => expect(await threadOf(await borrowed())).to.not.equal(borrowers),
      15_000,
    );
    await server.stop();
    await system.stop();
  });
});

/** Which thread serves the peer. */
async function threadOf(peer: Peer): Promise<number> {
  const before = peer.receivedBytes;
  peer.socket.write('who');
  await eventually(() => expect(peer.bytes.subarray(before).toString()).to.match(/\d\n$/));
  return Number(peer.bytes.subarray(before).toString());
}
