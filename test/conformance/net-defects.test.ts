/** What was wrong with mill-net, one test for each: `docs/parity.md` names them. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { EventLoop, type Token, UdpSocket } from '../../src/index.js';
import { TcpClient, TcpServer } from '../../src/net/index.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeNet, Recorder, type Stage } from '../support/net.js';

leavesNothingBehind();

const MIB = 1 << 20;
const QUIET = { onData: () => undefined };

describeNet('no defect of mill-net', (stage) => {
  it('defect 1: a request of more than one buffer is read whole', async () => {
    let read = 0;
    const server = stage.serve({
      onData: (context, id, data) => {
        read += data.length;
        if (read === 16 * 1024) context.sendTo(id, 'whole');
      },
    });
    const peer = await stage.peer(server);
    peer.socket.write(new Uint8Array(16 * 1024));
    expect((await peer.receives(5)).toString()).to.equal('whole');
  });

  it('defect 2: data and end in one segment are both seen', async () => {
    const recorder = new Recorder();
    const server = stage.serve(recorder);
    const peer = await stage.peer(server);
    peer.socket.cork();
    peer.socket.write('data');
    peer.socket.end();
    await eventually(() => expect(server.connection(1)).to.equal(undefined));
    expect(recorder.of(1)).to.deep.equal(['connect 1', 'data 1 data', 'disconnect 1 ended']);
    expect(server.connectionCount).to.equal(0);
  });

  it('defect 3: what the kernel takes in part is sent whole, to one and to all', async () => {
    const sent = randomBytes(8 * MIB);
    const server = stage.serve({
      onData: (context, id) => {
        context.sendTo(id, sent);
        context.broadcast('!', { except: id });
      },
    });
    const [asking, listening] = await stage.peers(server, 2);
    await eventually(() => expect(server.connectionCount).to.equal(2));
    asking.socket.pause();
    asking.socket.write('x');
    await listening.receives(1);
    asking.socket.resume();
    expect((await asking.receives(sent.length)).equals(sent)).to.equal(true);
    expect(server.broadcast(sent)).to.equal(2);
    const both = await listening.receives(sent.length + 1);
    expect(both.subarray(1).equals(sent)).to.equal(true);
  });

  it('defect 4: data of one connection is in order, though many send at once', async () => {
    const next = new Map<number, number>();
    let wrong = 0;
    const server = stage.serve(
      {
        onData: (_, id, data) => {
          for (const byte of data) {
            const expected = next.get(id) ?? 0;
            if (byte !== expected % 256) wrong += 1;
            next.set(id, expected + 1);
          }
        },
      },
      { bufferSizeBytes: 777 },
    );
    const sent = Uint8Array.from({ length: 256 * 1024 }, (_, index) => index % 256);
    const peers = await stage.peers(server, 10);
    for (const peer of peers) peer.socket.write(sent);
    await eventually(() => {
      expect([...next.values()]).to.deep.equal(peers.map(() => sent.length));
    });
    expect(wrong).to.equal(0);
  });

  it('defect 5: data that came with the connection follows onConnect', async () => {
    const recorder = new Recorder();
    const accepted: boolean[] = [];
    recorder.onConnect = (context: unknown, id) => {
      accepted.push((context as TcpServer).sendTo(id, 'welcome'));
      recorder.events.push(`connect ${id}`);
    };
    const loop = stage.loop();
    const server = stage.serve(recorder, {}, loop);
    const socket = connectWithData(server);
    stage.own({ close: () => socket.destroy() });
    await once(socket, 'connect');
    void loop.run({});
    await eventually(() => expect(recorder.of(1)).to.have.length(2));
    expect(recorder.of(1)).to.deep.equal(['connect 1', 'data 1 early']);
    expect(accepted).to.deep.equal([true]);
  });

  it('defect 6: tokens of the user, and a second server, are in nobody’s way', async () => {
    const loop = stage.loop();
    const tokens: Token[] = [];
    const udp = stage.own(UdpSocket.bind('127.0.0.1:0'));
    const another = stage.own(UdpSocket.bind('127.0.0.1:0'));
    const sockets = new Map<Token, UdpSocket>();
    for (const token of [-1, 0, 1, 2]) {
      const socket = stage.own(UdpSocket.bind('127.0.0.1:0'));
      sockets.set(token, socket);
      loop.register(socket, token);
      another.sendTo(new Uint8Array(1), socket.localAddress);
    }
    void loop.run({
      readable: (_, token) => {
        tokens.push(token);
        sockets.get(token)?.recvFrom(new Uint8Array(1));
      },
    });
    expect(loop.nextToken()).to.be.above(2);
    loop.register(udp, loop.nextToken());
    const recorders = [new Recorder(), new Recorder()];
    const servers = recorders.map((recorder) => stage.serve(recorder, {}, loop));
    for (const server of servers) {
      const peer = await stage.peer(server);
      peer.socket.write('x');
    }
    for (const recorder of recorders) {
      await eventually(() => expect(recorder.of(1)).to.deep.equal(['connect 1', 'data 1 x']));
    }
    await eventually(() => expect(tokens).to.have.members([-1, 0, 1, 2]));
  });

  it('defect 7: closeConnection() gives the slot back, and the count is right', async () => {
    const server = stage.serve(QUIET, { maxConnections: 1 });
    for (let id = 1; id <= 5; id++) {
      const peer = await stage.peer(server);
      await eventually(() => expect(server.connectionCount).to.equal(1));
      expect(server.closeConnection(id)).to.equal(true);
      expect(server.connectionCount).to.equal(1);
      await peer.seesEnd();
      await eventually(() => expect(server.connectionCount).to.equal(0));
    }
  });

  it('defect 8: the end of a client is told once, and harms nobody', async () => {
    const loop = stage.running();
    const server = stage.serve(
      { onData: (context, id, data) => void context.sendTo(id, data) },
      {},
      loop,
    );
    let ends = 0;
    const sends: boolean[] = [];
    const client = stage.connect(
      {
        onConnect: () => void server.closeConnection(1),
        ...QUIET,
        onDisconnect: (ended) => {
          ends += 1;
          sends.push(ended.send('x'));
          ended.close();
        },
      },
      { address: server.localAddress as { path: string } },
      loop,
    );
    await eventually(() => expect(client.state).to.equal('closed'));
    const peer = await stage.peer(server);
    peer.socket.write('hello');
    expect((await peer.receives(5)).toString()).to.equal('hello');
    expect({ ends, sends }).to.deep.equal({ ends: 1, sends: [false] });
  });

  it('defect 8: a client that cannot connect says so, and never that it is connected', async () => {
    const address = stage.isUnix ? { path: '/nonexistent/socket' } : '127.0.0.1:1';
    const events: string[] = [];
    const client = stage.connect(
      {
        onConnect: () => void events.push('connect'),
        ...QUIET,
        onDisconnect: () => void events.push('disconnect'),
        onError: () => void events.push('error'),
      },
      { address },
    );
    await eventually(() => expect(client.state).to.equal('idle'));
    await eventually(() => expect(events).to.deep.equal(['error']));
  });

  it('defect 9: callbacks may ask the server for anything', async () => {
    const asked: unknown[] = [];
    const server: TcpServer = stage.serve(
      {
        ...QUIET,
        onConnect: () => void asked.push(server.localAddress, server.connectionCount),
        onError: () => void asked.push(server.localAddress, server.connectionCount),
      },
      { maxConnections: 1 },
    );
    await stage.peers(server, 2);
    await eventually(() => expect(asked).to.have.length(4));
    expect(asked).to.deep.equal([server.localAddress, 1, server.localAddress, 1]);
  });

  it('defect 10: a callback that throws stops neither the loop nor the server', async () => {
    const recorder = new Recorder();
    recorder.onData = () => {
      throw new Error('mine');
    };
    const loop = stage.loop();
    let isOver = false;
    void loop.run({}).finally(() => {
      isOver = true;
    });
    const server = stage.serve(recorder, {}, loop);
    for (let round = 1; round <= 20; round++) {
      const peer = await stage.peer(server);
      peer.socket.write('x');
      await eventually(() => expect(recorder.errors).to.have.length(round));
    }
    expect(isOver).to.equal(false);
  });

  it('defect 12: a server can be stopped, and holds nothing of its loop', async () => {
    const loop = stage.running();
    for (let round = 0; round < 20; round++) {
      const server = stage.serve(QUIET, {}, loop);
      await stage.peer(server);
      await server.stop();
    }
    expect(loop.metrics()).to.include({ sources: 0, pendingTimers: 0 });
  });

  it('defect 12: a server that was stopped is collected, and so is its loop', async () => {
    const held: WeakRef<object>[] = [];
    for (let round = 0; round < 10; round++) held.push(...(await servedOnce(stage)));
    await eventually(async () => {
      collectGarbage();
      await nextTurn();
      expect(held.filter((each) => each.deref() !== undefined).length).to.be.below(4);
    });
  });

  it('defect 13: onListening is called, once, with the address', async () => {
    const addresses: unknown[] = [];
    const server = stage.serve({
      ...QUIET,
      onListening: (_, address) => void addresses.push(address),
    });
    expect(addresses).to.deep.equal([]);
    await eventually(() => expect(addresses).to.deep.equal([server.localAddress]));
  });

  it('defect 14: all connections are read into one memory, made once', async () => {
    const memories = new Set<ArrayBufferLike>();
    let count = 0;
    const server = stage.serve({
      onData: (context, id, data) => {
        memories.add(data.buffer);
        count += 1;
        context.sendTo(id, data);
      },
    });
    const peers = await stage.peers(server, 10);
    for (let round = 1; round <= 50; round++) {
      for (const peer of peers) peer.socket.write('x'.repeat(round));
      for (const peer of peers) await peer.receives((round * (round + 1)) / 2);
    }
    expect(count).to.be.at.least(500);
    expect(memories.size).to.equal(1);
  });
});

/** A loop and its server, of which nobody knows any more. */
async function servedOnce(stage: Stage): Promise<WeakRef<object>[]> {
  // Not the stage's: it would hold them until the test has ended.
  const loop = new EventLoop();
  const run = loop.run({});
  const server = new TcpServer(loop, { address: stage.address() }, QUIET);
  server.listen();
  const peer = await stage.peer(server);
  await server.stop();
  await peer.seesEnd();
  loop.shutdown();
  await run;
  loop.close();
  return [new WeakRef(loop), new WeakRef(server)];
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

/** The bytes are there before the server has accepted. */
function connectWithData(server: TcpServer): Socket {
  const address = server.localAddress!;
  const socket =
    'path' in address
      ? connectSocket({ path: address.path as string })
      : connectSocket({ host: address.address, port: address.port });
  socket.write('early');
  return socket;
}

describeNet('clients of mill-net', (stage) => {
  it('defect 8: send() before the connection is established, and in every callback', async () => {
    const { address } = await stage.foreignServer((socket) => void socket.pipe(socket));
    const texts: string[] = [];
    const client = new TcpClient(
      stage.running(),
      { address },
      {
        onConnect: (connected) => void connected.send('b'),
        onData: (connected, data) => {
          texts.push(Buffer.from(data).toString());
          if (texts.join('').endsWith('b')) connected.close();
        },
        onDisconnect: (ended) => void texts.push(String(ended.send('c'))),
      },
    );
    client.connect();
    expect(client.send('a')).to.equal(true);
    await eventually(() => expect(texts.join(' ').replace('a b', 'ab')).to.equal('ab false'));
  });
});
