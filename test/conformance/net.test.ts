/** Servers: rules N1 to N7. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { expect } from 'chai';
import type { ServerContext } from '../../src/net/index.js';
import { TcpServer } from '../../src/net/index.js';
import { nativeDriver } from '../../src/poll/native-driver.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeNet, Recorder, warnings } from '../support/net.js';

leavesNothingBehind();

const MIB = 1 << 20;

/** Sends until the kernel is full and the first bytes are queued. Returns what was taken. */
function fillKernel(context: ServerContext, id: number): number {
  const chunk = new Uint8Array(64 * 1024);
  let takenBytes = 0;
  while (context.connection(id)!.queuedBytes === 0) {
    expect(context.sendTo(id, chunk)).to.equal(true);
    takenBytes += chunk.length;
  }
  return takenBytes;
}

describeNet('server', (stage) => {
  // --- N1 ------------------------------------------------------------------

  it('N1: all data arrives in order, in plain arrays of at most bufferSizeBytes', async () => {
    const sent = randomBytes(3 * MIB);
    const chunks: Buffer[] = [];
    const odd: unknown[] = [];
    const server = stage.serve(
      {
        onData: (_, id, data) => {
          if (data.constructor !== Uint8Array || data.length > 1000 || id !== 1) odd.push(data);
          chunks.push(Buffer.from(data));
        },
      },
      { bufferSizeBytes: 1000 },
    );
    const peer = await stage.peer(server);
    peer.socket.end(sent);
    await eventually(() => expect(server.connectionCount).to.equal(0));
    expect(odd).to.deep.equal([]);
    expect(Buffer.concat(chunks).equals(sent)).to.equal(true);
  });

  it('N1: onConnect, onData, onDisconnect, in this order and once', async () => {
    const recorder = new Recorder();
    const server = stage.serve(recorder);
    const peer = await stage.peer(server);
    peer.socket.end('hello');
    await eventually(() => expect(recorder.events.at(-1)).to.equal('disconnect 1 ended'));
    expect(recorder.events).to.deep.equal([
      'listening',
      'connect 1',
      'data 1 hello',
      'disconnect 1 ended',
    ]);
  });

  it('N1: onDisconnect also after an onConnect that threw, and no data', async () => {
    const recorder = new Recorder();
    recorder.onConnect = () => {
      throw new Error('no');
    };
    const server = stage.serve(recorder);
    const peer = await stage.peer(server);
    peer.socket.write('hello');
    await peer.seesEnd();
    await eventually(() => expect(recorder.of(1)).to.have.length(2));
    expect(recorder.of(1)).to.deep.equal(['error 1 no', 'disconnect 1 error']);
  });

  it('N1: no callback is called inside of another', async () => {
    let depth = 0;
    let nested = 0;
    const ends: number[] = [];
    const inside = (action: () => void) => {
      depth += 1;
      if (depth > 1) nested += 1;
      action();
      depth -= 1;
    };
    const server = stage.serve({
      onConnect: (context, id) => inside(() => void context.sendTo(id, 'welcome')),
      onData: (context, id) =>
        inside(() => {
          for (let other = 1; other <= 3; other++) context.closeConnection(other);
          expect(context.closeConnection(id)).to.equal(false);
          expect(context.sendTo(id, 'x')).to.equal(false);
        }),
      onDisconnect: (context, id) =>
        inside(() => {
          ends.push(id);
          context.broadcast('somebody left');
        }),
    });
    const peers = await stage.peers(server, 3);
    await Promise.all(peers.map((peer) => peer.receives(7)));
    peers[1].socket.write('go');
    await Promise.all(peers.map((peer) => peer.seesEnd()));
    await eventually(() => expect(ends).to.have.members([1, 2, 3]));
    expect({ nested, depth }).to.deep.equal({ nested: 0, depth: 0 });
  });

  it('N1: data that was given away to somebody else does not disturb the next', async () => {
    const texts: string[] = [];
    const server = stage.serve({
      onData: (context, id, data) => {
        const taken = structuredClone(data, { transfer: [data.buffer as ArrayBuffer] });
        texts.push(Buffer.from(taken).toString());
        context.sendTo(id, 'ok');
      },
    });
    const peer = await stage.peer(server);
    peer.socket.write('one');
    await peer.receives(2);
    peer.socket.write('two');
    await peer.receives(4);
    expect(texts).to.deep.equal(['one', 'two']);
  });

  // --- N2 ------------------------------------------------------------------

  for (const sizeBytes of [1, 8192, 8193, 16 * 1024, 10 * MIB]) {
    it(`N2: ${sizeBytes} bytes are echoed whole, and to a peer that has ended`, async () => {
      const sent = randomBytes(sizeBytes);
      const disconnects: number[] = [];
      const server = stage.serve({
        onData: (context, id, data) => void context.sendTo(id, data),
        onDisconnect: (_, id) => void disconnects.push(id),
      });
      const [ending, staying] = await stage.peers(server, 2);
      ending.socket.end(sent);
      staying.socket.write(sent);
      const received = await ending.receives(sizeBytes);
      expect(received.equals(sent)).to.equal(true);
      expect((await staying.receives(sizeBytes)).equals(sent)).to.equal(true);
      await ending.seesEnd();
      expect(ending.error).to.equal(null);
      await eventually(() => expect(disconnects).to.deep.equal([1]));
      expect(server.connectionCount).to.equal(1);
    });
  }

  // --- N3 ------------------------------------------------------------------

  it('N3: takes at the mark and not above it; what it takes is a copy', async () => {
    const highWaterMarkBytes = 1_000_000;
    let context!: ServerContext;
    const server = stage.serve(
      {
        onConnect: (given) => {
          context = given;
        },
        onData: () => undefined,
      },
      { highWaterMarkBytes },
    );
    const peer = await stage.peer(server);
    peer.socket.pause();
    await eventually(() => expect(server.connectionCount).to.equal(1));
    const takenBytes = fillKernel(context, 1);
    const connection = context.connection(1)!;
    const fill = new Uint8Array(highWaterMarkBytes - connection.queuedBytes).fill(1);
    expect(context.sendTo(1, fill)).to.equal(true);
    fill.fill(9);
    expect(connection.queuedBytes).to.equal(highWaterMarkBytes);
    const last = new Uint8Array(5).fill(2);
    expect(context.sendTo(1, last)).to.equal(true);
    last.fill(9);
    expect(connection.queuedBytes).to.equal(highWaterMarkBytes + 5);
    expect(context.sendTo(1, 'x')).to.equal(false);
    expect(context.broadcast('x')).to.equal(0);
    expect(connection.queuedBytes).to.equal(highWaterMarkBytes + 5);
    peer.socket.resume();
    const sizeBytes = takenBytes + fill.length + 5;
    const received = await peer.receives(sizeBytes);
    const expected = Buffer.concat([
      new Uint8Array(takenBytes),
      new Uint8Array(fill.length).fill(1),
      new Uint8Array(5).fill(2),
    ]);
    expect(received.equals(expected)).to.equal(true);
    expect(connection).to.include({ queuedBytes: 0, bytesWritten: sizeBytes });
  });

  it('N3: onDrained once for each fall below the low mark', async () => {
    const marks = { highWaterMarkBytes: 400_000, lowWaterMarkBytes: 100_000 };
    const drainedAt: number[] = [];
    let context!: ServerContext;
    const server = stage.serve(
      {
        onConnect: (given) => {
          context = given;
        },
        onData: () => undefined,
        onDrained: (given, id) => void drainedAt.push(given.connection(id)!.queuedBytes),
      },
      marks,
    );
    const peer = await stage.peer(server);
    await eventually(() => expect(server.connectionCount).to.equal(1));
    const chunk = new Uint8Array(50_000);
    for (let round = 1; round <= 3; round++) {
      peer.socket.pause();
      let takenBytes = 0;
      while (context.sendTo(1, chunk)) takenBytes += chunk.length;
      const { receivedBytes } = peer;
      peer.socket.resume();
      await peer.receives(receivedBytes + takenBytes);
      await eventually(() => expect(drainedAt).to.have.length(round));
    }
    expect(Math.max(...drainedAt)).to.be.below(marks.lowWaterMarkBytes);
    // What stays below the mark falls below nothing.
    peer.socket.pause();
    fillKernel(context, 1);
    peer.socket.resume();
    await eventually(() => expect(context.connection(1)!.queuedBytes).to.equal(0));
    expect(drainedAt).to.have.length(3);
  });

  for (const autoPause of [true, false]) {
    const what = autoPause
      ? 'a peer that does not read is not read'
      : 'it is read without autoPause';
    it(`N3, N7: ${what}, and memory is bounded`, async () => {
      const highWaterMarkBytes = 100_000;
      let queuedMax = 0;
      const server = stage.serve(
        {
          onData: (context, id, data) => {
            context.sendTo(id, data);
            queuedMax = Math.max(queuedMax, context.connection(id)!.queuedBytes);
          },
        },
        { highWaterMarkBytes, autoPause, bufferSizeBytes: 4096 },
      );
      const peer = await stage.peer(server);
      peer.socket.pause();
      const sent = Buffer.alloc(20 * MIB, 'abc');
      peer.socket.write(sent);
      const connection = await eventually(() => {
        const found = server.connection(1);
        expect(found?.queuedBytes).to.be.above(highWaterMarkBytes);
        return found!;
      });
      expect(queuedMax).to.be.at.most(highWaterMarkBytes + 4096);
      expect(connection.isPaused).to.equal(autoPause);
      if (!autoPause) {
        await eventually(() => expect(connection.bytesRead).to.equal(sent.length));
        return;
      }
      expect(connection.bytesRead).to.be.below(sent.length);
      peer.socket.resume();
      expect((await peer.receives(sent.length)).equals(sent)).to.equal(true);
      expect(queuedMax).to.be.at.most(highWaterMarkBytes + 4096);
    });
  }

  it('N3: a plain echo loses nothing, however small marks and buffer are', async () => {
    const config = { highWaterMarkBytes: 1000, lowWaterMarkBytes: 10, bufferSizeBytes: 100 };
    let refused = 0;
    const server = stage.serve(
      {
        onData: (context, id, data) => {
          if (!context.sendTo(id, data)) refused += 1;
        },
      },
      config,
    );
    const peer = await stage.peer(server);
    const sent = randomBytes(8 * MIB);
    peer.socket.pause();
    peer.socket.end(sent);
    await eventually(() => expect(server.connection(1)?.isPaused).to.equal(true));
    peer.socket.resume();
    expect((await peer.receives(sent.length)).equals(sent)).to.equal(true);
    await peer.seesEnd();
    expect(refused).to.equal(0);
  });

  it('N1, N3: pauseReads() holds between the pieces of what was read at once', async () => {
    const pieces: string[] = [];
    const server = stage.serve(
      {
        onData: (context, id, data) => {
          pieces.push(Buffer.from(data).toString());
          expect(data.constructor).to.equal(Uint8Array);
          context.pauseReads(id);
        },
      },
      { bufferSizeBytes: 2 },
    );
    const peer = await stage.peer(server);
    peer.socket.write('aabbccd');
    for (const [index, last] of ['aa', 'bb', 'cc', 'd'].entries()) {
      await eventually(() => expect(pieces).to.have.length(index + 1));
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      expect(pieces).to.have.length(index + 1);
      expect(pieces.at(-1)).to.equal(last);
      server.resumeReads(1);
    }
    peer.socket.end();
    await eventually(() => expect(server.connectionCount).to.equal(0));
    expect(pieces).to.have.length(4);
  });

  it('N1: memory that is given away with pieces to come ends the connection', async () => {
    const recorder = new Recorder();
    recorder.onData = (_: unknown, id, data) => {
      recorder.events.push(`data ${id} ${data.length}`);
      structuredClone(data, { transfer: [data.buffer as ArrayBuffer] });
    };
    const server = stage.serve(recorder, { bufferSizeBytes: 2 });
    const peer = await stage.peer(server);
    peer.socket.write('aabb');
    await peer.seesEnd();
    await eventually(() => expect(recorder.of(1)).to.have.length(4));
    expect(recorder.of(1).slice(1)).to.deep.equal([
      'data 1 2',
      'error 1 ERR_INVALID_ARG_VALUE',
      'disconnect 1 error',
    ]);
  });

  it('N3: a connection that is paused is not read, and ends when it goes on', async () => {
    const recorder = new Recorder();
    const server = stage.serve(recorder);
    const peer = await stage.peer(server);
    await eventually(() => expect(recorder.of(1)).to.have.length(1));
    expect(server.pauseReads(1)).to.equal(true);
    expect(server.connection(1)?.isPaused).to.equal(true);
    peer.socket.end('last words');
    const other = await stage.peer(server);
    other.socket.write('x');
    await eventually(() => expect(recorder.of(2)).to.include('data 2 x'));
    expect(recorder.of(1)).to.deep.equal(['connect 1']);
    expect(server.resumeReads(1)).to.equal(true);
    await eventually(() => expect(recorder.of(1).at(-1)).to.equal('disconnect 1 ended'));
    expect(recorder.of(1)).to.include('data 1 last words');
    expect(server.pauseReads(1)).to.equal(false);
    expect(server.resumeReads(99)).to.equal(false);
  });

  it('N3: a peer that goes while nothing is read causes no busy loop', async () => {
    const loop = stage.running();
    const recorder = new Recorder();
    const server = stage.serve(recorder, {}, loop);
    const peer = await stage.peer(server);
    await eventually(() => expect(server.pauseReads(1)).to.equal(true));
    peer.socket.destroy('last words' as unknown as Error);
    await eventually(() => expect(peer.closed).to.equal(true));
    const { events } = loop.metrics();
    for (let turn = 0; turn < 50; turn++) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    expect(loop.metrics().events - events).to.be.below(5);
    server.resumeReads(1);
    await eventually(() => expect(server.connectionCount).to.equal(0));
  });

  // --- N4 ------------------------------------------------------------------

  it('N4: maxConnections is exact, and one too many is told and closed', async () => {
    const recorder = new Recorder();
    const server = stage.serve(recorder, { maxConnections: 2 });
    const [first] = await stage.peers(server, 2);
    await eventually(() => expect(server.connectionCount).to.equal(2));
    const extra = await stage.peer(server);
    await extra.seesEnd();
    expect(recorder.errors.map(({ id, error }) => [id, error.code])).to.deep.equal([
      [null, 'ERR_MAX_CONNECTIONS'],
    ]);
    expect(server.connectionCount).to.equal(2);
    first.socket.end();
    await eventually(() => expect(server.connectionCount).to.equal(1));
    await stage.peer(server);
    await eventually(() => expect(recorder.events.at(-1)).to.equal('connect 3'));
  });

  for (const [how, end] of Object.entries({
    'the peer ends': (peer: { socket: { end(): void } }) => peer.socket.end(),
    'the peer resets': (peer: { reset(): void }) => peer.reset(),
    'closeConnection()': null,
    'a throw': null,
    'closeConnection() in onConnect': null,
  })) {
    it(`N4: a slot is free when its connection has closed, by: ${how}`, async () => {
      const closed: number[] = [];
      const errors: unknown[] = [];
      const server = stage.serve(
        {
          onConnect: (context, id) => {
            if (how.endsWith('onConnect')) context.closeConnection(id);
          },
          onData: (context, id) => {
            if (how === 'a throw') throw new Error('no');
            context.closeConnection(id);
            expect(context.closeConnection(id)).to.equal(false);
          },
          onDisconnect: (context, id) => {
            closed.push(id);
            expect(context.connection(id)?.isOpen).to.equal(false);
          },
          onError: (_, id, error) => void errors.push([id, (error as { code?: string }).code]),
        },
        { maxConnections: 1 },
      );
      for (let round = 1; round <= 20; round++) {
        const peer = await stage.peer(server);
        if (end !== null) end(peer);
        else peer.socket.write('x');
        await eventually(() => expect(closed).to.have.length(round));
        expect(server.connectionCount).to.equal(0);
        peer.socket.destroy();
      }
      expect(errors.flat()).to.not.include('ERR_MAX_CONNECTIONS');
      expect(closed).to.deep.equal(Array.from({ length: 20 }, (_, index) => index + 1));
    });
  }

  // --- N5 ------------------------------------------------------------------

  for (const callback of ['onConnect', 'onData', 'onDrained', 'onDisconnect'] as const) {
    it(`N5: what ${callback} throws goes to onError, and ends one connection`, async () => {
      const thrown = new Error('mine');
      const recorder = new Recorder();
      const marks = { highWaterMarkBytes: 1, lowWaterMarkBytes: 1 };
      const server = stage.serve(recorder, marks);
      const [good] = await stage.peers(server, 1);
      await eventually(() => expect(recorder.of(1)).to.have.length(1));
      const original = recorder[callback].bind(recorder) as (...args: unknown[]) => void;
      recorder[callback] = (...args: unknown[]) => {
        original(...args);
        if (args[1] === 2) throw thrown;
      };
      const bad = await stage.peer(server);
      if (callback === 'onDrained') {
        bad.socket.pause();
        await eventually(() => expect(recorder.of(2)).to.have.length(1));
        fillKernel(server, 2);
        bad.socket.resume();
      } else {
        bad.socket.end('x');
      }
      await eventually(() => expect(server.connectionCount).to.equal(1));
      await eventually(() => expect(recorder.errors).to.deep.equal([{ id: 2, error: thrown }]));
      expect(recorder.of(2).filter((event) => event.startsWith('disconnect'))).to.have.length(1);
      good.socket.write('still here');
      await eventually(() => expect(recorder.of(1)).to.include('data 1 still here'));
    });
  }

  for (const callback of ['onConnect', 'onData', 'onDrained', 'onDisconnect'] as const) {
    it(`N5: what ${callback} throws is a warning where there is no onError`, async () => {
      const texts = warnings(stage.own);
      const closed: string[] = [];
      const fail = (id: number) => {
        if (id === 2) throw new Error('mine');
      };
      const server = stage.serve(
        {
          onData: (context, id, data) => {
            if (callback === 'onData') fail(id);
            context.sendTo(id, data);
          },
          onDisconnect: (_, id, reason) => {
            closed.push(`${id} ${reason}`);
            if (callback === 'onDisconnect') fail(id);
          },
          ...(callback === 'onConnect' && { onConnect: (_, id) => fail(id) }),
          ...(callback === 'onDrained' && { onDrained: (_, id) => fail(id) }),
        },
        { highWaterMarkBytes: 1, lowWaterMarkBytes: 1 },
      );
      const good = await stage.peer(server);
      await eventually(() => expect(server.connectionCount).to.equal(1));
      const bad = await stage.peer(server);
      if (callback === 'onDrained') {
        bad.socket.pause();
        await eventually(() => expect(server.connectionCount).to.equal(2));
        fillKernel(server, 2);
        bad.socket.resume();
      } else {
        bad.socket.end('x');
      }
      await bad.seesEnd();
      await eventually(() => expect(texts).to.have.length(1));
      expect(texts[0]).to.match(/^a callback of a TcpServer has thrown: Error: mine\n +at /);
      const reason = callback === 'onDisconnect' ? 'ended' : 'error';
      await eventually(() => expect(closed).to.deep.equal([`2 ${reason}`]));
      good.socket.write('still here');
      expect((await good.receives(10)).toString()).to.equal('still here');
    });
  }

  it('N5: what onError and onListening throw is a warning, and nothing ends', async () => {
    const texts = warnings(stage.own);
    const server = stage.serve(
      {
        onData: (context, id, data) => {
          if (id === 2) throw new Error('first');
          context.sendTo(id, data);
        },
        onListening: () => {
          throw new Error('listening');
        },
        onError: (_, id, error) => {
          throw new Error(`${id}: ${error.message}`);
        },
      },
      { maxConnections: 2 },
    );
    const [good, bad, extra] = await stage.peers(server, 3);
    await extra.seesEnd();
    bad.socket.write('x');
    await bad.seesEnd();
    good.socket.write('still here');
    await good.receives(10);
    const expected = ['null: listening', 'null: 2 connections are open, as many', '2: first'];
    await eventually(() => expect(texts).to.have.length(expected.length));
    for (const [index, text] of expected.entries()) {
      expect(texts[index]).to.include(`onError of a TcpServer has thrown: Error: ${text}`);
    }
  });

  // --- N6 ------------------------------------------------------------------

  it('N6: stop() flushes, closes all, tells of all, and then resolves', async () => {
    const recorder = new Recorder();
    const server = stage.serve(recorder);
    const [reading, slow] = await stage.peers(server, 2);
    await eventually(() => expect(server.connectionCount).to.equal(2));
    slow.socket.pause();
    const sizeBytes = fillKernel(server, 2);
    const stopped = server.stop();
    expect(server.isListening).to.equal(false);
    expect(server.sendTo(2, 'x')).to.equal(false);
    await reading.seesEnd();
    await eventually(() => expect(server.connectionCount).to.equal(1));
    slow.socket.resume();
    await slow.receives(sizeBytes);
    await stopped;
    await slow.seesEnd();
    expect(server.connectionCount).to.equal(0);
    const ends = recorder.events.filter((event) => event.startsWith('disconnect'));
    expect(ends).to.have.members(['disconnect 1 closed', 'disconnect 2 closed']);
    await server.stop();
    if (stage.isUnix) {
      const { path } = server.localAddress as { path: string };
      expect(existsSync(path)).to.equal(false);
    }
  });

  it('N6: stop() gives up on peers that do not read when the deadline has passed', async () => {
    const server = stage.serve({ onData: () => undefined });
    const peer = await stage.peer(server);
    peer.socket.pause();
    await eventually(() => expect(server.connectionCount).to.equal(1));
    fillKernel(server, 1);
    const startMs = performance.now();
    const first = server.stop();
    await Promise.all([first, server.stop({ timeoutMs: 50 })]);
    expect(performance.now() - startMs).to.be.within(49, 2000);
    expect(server.connectionCount).to.equal(0);
  });

  it('N6: stop() in a callback, before listen(), and on a loop that does not run', async () => {
    const events: string[] = [];
    const stops: Promise<void>[] = [];
    const loop = stage.loop();
    const address = stage.address();
    const server = new TcpServer(
      loop,
      { address },
      {
        onData: (_, id) => {
          stops.push(server.stop());
          events.push(`stop ${id}`);
        },
        onDisconnect: (_, id) => void events.push(`disconnect ${id}`),
      },
    );
    server.listen();
    const run = loop.run({});
    const [peer] = await stage.peers(server, 1);
    peer.socket.write('x');
    await peer.seesEnd();
    await Promise.all(stops);
    expect(events).to.deep.equal(['stop 1', 'disconnect 1']);
    const never = new TcpServer(loop, { address }, { onData: () => undefined });
    await never.stop();
    expect(() => never.listen())
      .to.throw()
      .with.property('code', 'ERR_SERVER_STOPPED');
    const resting = stage.serve(
      { onData: () => undefined, onDisconnect: (_, id) => void events.push(`resting ${id}`) },
      {},
      loop,
    );
    await stage.peers(resting, 1);
    await eventually(() => expect(resting.connectionCount).to.equal(1));
    loop.shutdown();
    await run;
    await resting.stop();
    expect(events.at(-1)).to.equal('resting 1');
    expect(loop.metrics()).to.include({ sources: 0, pendingTimers: 0 });
  });

  it('N6, L10: a loop that is closed closes its servers, and stop() resolves', async () => {
    const loop = stage.loop();
    const recorder = new Recorder();
    const run = loop.run({});
    const server = stage.serve(recorder, {}, loop);
    const peer = await stage.peer(server);
    await eventually(() => expect(server.connectionCount).to.equal(1));
    const stopped = server.stop();
    loop.close();
    await Promise.all([run, stopped, peer.seesEnd()]);
    expect(server.connectionCount).to.equal(0);
    expect(() => new TcpServer(loop, { address: ':0' }, recorder))
      .to.throw()
      .with.property('code', 'ERR_LOOP_CLOSED');
  });

  // --- The rest ------------------------------------------------------------

  it('broadcast() counts those who took it, and leaves one out', async () => {
    const server = stage.serve({ onData: () => undefined });
    const peers = await stage.peers(server, 5);
    await eventually(() => expect(server.connectionCount).to.equal(5));
    expect(server.broadcast('to all')).to.equal(5);
    expect(server.broadcast(Buffer.from(' but one'), { except: 3 })).to.equal(4);
    await Promise.all(peers.map((peer) => peer.receives(6)));
    await peers[4].receives(14);
    const texts = peers.map(({ text }) => text);
    expect(texts[4]).to.equal('to all but one');
    expect(texts[2]).to.equal('to all');
    server.closeConnection(1);
    expect(server.broadcast('x')).to.equal(4);
  });

  it('a broadcast is queued for slow peers, and one that goes harms nobody', async () => {
    const server = stage.serve({ onData: () => undefined }, { highWaterMarkBytes: 8 * MIB });
    const peers = await stage.peers(server, 3);
    await eventually(() => expect(server.connectionCount).to.equal(3));
    const bytes = randomBytes(4 * MIB);
    const copy = Buffer.from(bytes);
    peers[0].socket.pause();
    peers[2].socket.destroy();
    server.broadcast(copy);
    copy.fill(0);
    peers[0].socket.resume();
    for (const peer of peers.slice(0, 2)) {
      expect((await peer.receives(bytes.length)).equals(bytes)).to.equal(true);
    }
    await eventually(() => expect(server.connectionCount).to.equal(2));
  });

  it('what a callback sends in many parts takes few system calls', async () => {
    let calls = 0;
    const counting = (name: 'write' | 'writev') => ({
      value: (...args: [never, never]) => {
        calls += 1;
        return nativeDriver.io[name](...args);
      },
    });
    const io = Object.create(nativeDriver.io, {
      write: counting('write'),
      writev: counting('writev'),
    });
    const server = stage.serve(
      {
        onData: (context, id, data) => {
          for (let part = 0; part < 100; part++) {
            if (data[0] === 'b'.charCodeAt(0)) context.broadcast(`${part} `);
            else context.sendTo(id, `${part} `);
          }
        },
      },
      {},
      stage.running({ driver: { ...nativeDriver, io } }),
    );
    const peers = await stage.peers(server, 2);
    await eventually(() => expect(server.connectionCount).to.equal(2));
    const text = Array.from({ length: 100 }, (_, part) => `${part} `).join('');
    peers[0].socket.write('send');
    expect((await peers[0].receives(text.length)).toString()).to.equal(text);
    expect(calls).to.equal(2);
    calls = 0;
    peers[0].socket.write('broadcast');
    expect((await peers[0].receives(2 * text.length)).toString()).to.equal(text + text);
    expect((await peers[1].receives(text.length)).toString()).to.equal(text);
    expect(calls).to.be.at.most(4);
  });

  it('what was sent before closeConnection(), or before a throw, is not lost', async () => {
    const server = stage.serve({
      onData: (context, id, data) => {
        for (let part = 0; part < 10; part++) context.sendTo(id, 'part ');
        context.broadcast('all');
        if (data.length === 1) context.closeConnection(id);
        else throw new Error('mine');
      },
      onError: () => undefined,
    });
    for (const request of ['x', 'xx']) {
      const peer = await stage.peer(server);
      peer.socket.write(request);
      await peer.seesEnd();
      expect(peer.text).to.equal(`${'part '.repeat(10)}all`);
    }
  });

  it('ids are never used again, and connection() tells of each', async () => {
    const seen: number[] = [];
    const server = stage.serve({
      onConnect: (context, id) => {
        const connection = context.connection(id)!;
        connection.data = { name: `peer ${id}` };
        seen.push(id);
      },
      onData: (context, id, data) => {
        const connection = context.connection(id)!;
        expect(connection.data).to.deep.equal({ name: `peer ${id}` });
        expect(connection).to.include({ id, bytesRead: data.length, isOpen: true });
        context.sendTo(id, 'four');
        expect(connection.bytesWritten).to.equal(4);
        expect(connection.localAddress).to.deep.equal(server.localAddress);
        if (!stage.isUnix) expect(connection.remoteAddress).to.have.property('port');
      },
    });
    for (let round = 1; round <= 3; round++) {
      const peer = await stage.peer(server);
      peer.socket.end('hello');
      await eventually(() => expect(peer.text).to.equal('four'));
      await eventually(() => expect(server.connection(round)).to.equal(undefined));
    }
    expect(seen).to.deep.equal([1, 2, 3]);
  });
});
