/** Clients: connecting, and connecting again; otherwise as servers. */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { expect } from 'chai';
import { type ClientHandler, TcpClient } from '../../src/net/index.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeNet, warnings } from '../support/net.js';
import { refusingAddress } from '../support/sockets.js';
import { Paths } from '../support/unix.js';

leavesNothingBehind();

const MIB = 1 << 20;

/** Writes down what a client's handler is told. */
class Recorder implements ClientHandler {
  readonly events: string[] = [];
  readonly errors: (Error & { code?: string })[] = [];
  receivedBytes = 0;

  onConnect: NonNullable<ClientHandler['onConnect']> = () => void this.events.push('connect');

  onData(_: TcpClient, data: Uint8Array): void {
    this.receivedBytes += data.length;
  }

  onDisconnect(_: TcpClient, reason: string): void {
    this.events.push(`disconnect ${reason}`);
  }

  onError(_: TcpClient, error: Error): void {
    this.errors.push(error);
    this.events.push(`error ${(error as { code?: string }).code ?? error.message}`);
  }
}

const echo = (socket: Socket): void => void socket.pipe(socket);

describeNet('client', (stage) => {
  it('connects, sends, receives, and closes, with onConnect after the handshake', async () => {
    const recorder = new Recorder();
    const { address } = await stage.foreignServer(echo);
    const client = stage.connect(recorder, { address });
    expect(client.state).to.equal('connecting');
    expect(recorder.events).to.deep.equal([]);
    await eventually(() => expect(recorder.events).to.deep.equal(['connect']));
    expect(client.state).to.equal('open');
    client.connect();
    expect(client.send('hello')).to.equal(true);
    await eventually(() => expect(recorder.receivedBytes).to.equal(5));
    expect(client.connection).to.include({ bytesRead: 5, bytesWritten: 5 });
    client.close();
    client.close();
    expect(client.state).to.equal('closed');
    expect(client.send('x')).to.equal(false);
    await eventually(() => expect(recorder.events.at(-1)).to.equal('disconnect closed'));
    expect(client.connection).to.equal(null);
    expect(() => client.connect())
      .to.throw()
      .with.property('code', 'ERR_CLIENT_CLOSED');
    expect(recorder.events).to.deep.equal(['connect', 'disconnect closed']);
  });

  it('what is sent before the connection is established is sent first', async () => {
    const { address } = await stage.foreignServer(echo);
    let text = '';
    const client = new TcpClient(
      stage.running(),
      { address },
      {
        onConnect: (connected) => void connected.send(' second'),
        onData: (_, data) => {
          text += Buffer.from(data).toString();
        },
      },
    );
    expect(client.send('lost')).to.equal(false);
    client.connect();
    expect(client.send('first')).to.equal(true);
    await eventually(() => expect(text).to.equal('first second'));
  });

  it('close() sends what is queued', async () => {
    const sent = randomBytes(5 * MIB);
    const received: Buffer[] = [];
    let ended = false;
    const { address } = await stage.foreignServer((socket) => {
      socket.on('data', (chunk: Buffer) => received.push(chunk));
      socket.on('end', () => {
        ended = true;
      });
    });
    const client = stage.connect(
      {
        onConnect: () => {
          expect(client.send(sent)).to.equal(true);
          client.close();
        },
        onData: () => undefined,
      },
      { address },
    );
    await eventually(() => expect(ended).to.equal(true));
    expect(Buffer.concat(received).equals(sent)).to.equal(true);
  });

  it('takes at the mark and not above it, and tells when it has drained', async () => {
    let socket!: Socket;
    const { address } = await stage.foreignServer((accepted) => {
      socket = accepted.pause();
    });
    let drained = 0;
    const client = stage.connect(
      { onData: () => undefined, onDrained: () => void (drained += 1) },
      { address, highWaterMarkBytes: 100_000, lowWaterMarkBytes: 10_000 },
    );
    await eventually(() => expect(client.state).to.equal('open'));
    const chunk = new Uint8Array(50_000);
    while (client.send(chunk));
    const { queuedBytes } = client.connection!;
    expect(queuedBytes).to.be.within(100_001, 150_000);
    expect(client.send('x')).to.equal(false);
    expect(client.connection?.queuedBytes).to.equal(queuedBytes);
    await eventually(() => expect(socket).to.not.equal(undefined));
    socket.resume();
    await eventually(() => expect(client.connection?.queuedBytes).to.equal(0));
    expect(drained).to.equal(1);
  });

  it('tells why it could not connect, in a tick, and may be asked again', async () => {
    const recorder = new Recorder();
    const address = stage.isUnix ? { path: stage.own(new Paths()).next() } : refusingAddress();
    const client = stage.connect(recorder, { address });
    const code = stage.isUnix ? 'ENOENT' : 'ECONNREFUSED';
    expect(client.send('x')).to.equal(true);
    expect(recorder.events).to.deep.equal([]);
    await eventually(() => expect(recorder.events).to.deep.equal([`error ${code}`]));
    expect(recorder.errors[0]).to.include({ syscall: 'connect' });
    expect(recorder.errors[0]).to.have.property('address');
    expect(client.state).to.equal('idle');
    expect(client.send('x')).to.equal(false);
    client.connect();
    await eventually(() => expect(recorder.events).to.have.length(2));
  });

  it('connects again after an increasing while, as often as it is told to', async () => {
    const recorder = new Recorder();
    const atMs: number[] = [];
    recorder.onError = () => void atMs.push(performance.now());
    const address = stage.isUnix ? { path: stage.own(new Paths()).next() } : refusingAddress();
    const reconnect = { backoffMs: 20, backoffMaxMs: 40, maxAttempts: 5 };
    const client = stage.connect(recorder, { address, reconnect });
    await eventually(() => expect(atMs).to.have.length(5));
    expect(client.state).to.equal('idle');
    const gapsMs = atMs.slice(1).map((timeMs, index) => timeMs - atMs[index]);
    // Half of each is left to chance.
    for (const [index, leastMs] of [10, 20, 20, 20].entries()) {
      expect(gapsMs[index]).to.be.at.least(leastMs - 1);
    }
    expect(client.send('x')).to.equal(false);
  });

  it('comes back after a loss, with what was sent meanwhile', async () => {
    const recorder = new Recorder();
    const texts: string[] = [];
    const sockets: Socket[] = [];
    const { address } = await stage.foreignServer((socket) => {
      const index = texts.push('') - 1;
      sockets.push(socket);
      socket.on('end', () => socket.end());
      socket.on('data', (chunk: Buffer) => {
        texts[index] += chunk.toString();
      });
    });
    const client = stage.connect(recorder, { address, reconnect: { backoffMs: 1 } });
    for (let round = 1; round <= 3; round++) {
      await eventually(() => expect(texts).to.have.length(round));
      await eventually(() => expect(client.state).to.equal('open'));
      const expected = round === 1 ? '' : `after ${round - 1}`;
      await eventually(() => expect(texts[round - 1]).to.equal(expected));
      if (round === 2) sockets[1].destroy();
      else sockets[round - 1].end();
      await eventually(() =>
        expect(recorder.events.filter((event) => event.startsWith('disc'))).to.have.length(round),
      );
      client.send(`after ${round}`);
    }
    await eventually(() => expect(texts).to.deep.equal(['', 'after 1', 'after 2', 'after 3']));
    client.close();
    await eventually(() => expect(recorder.events.at(-1)).to.equal('disconnect closed'));
    expect(recorder.events.filter((event) => event === 'connect')).to.have.length(4);
  });

  for (const moment of ['while it connects', 'while it waits', 'in onConnect', 'in onError']) {
    it(`close() is final ${moment}`, async () => {
      const recorder = new Recorder();
      const isRefused = moment === 'while it waits' || moment === 'in onError';
      const refusing = stage.isUnix ? { path: stage.own(new Paths()).next() } : refusingAddress();
      const address = isRefused ? refusing : (await stage.foreignServer(echo)).address;
      const loop = stage.running();
      const reconnect = { backoffMs: 5 };
      if (moment === 'in onConnect') recorder.onConnect = (client) => client.close();
      if (moment === 'in onError') recorder.onError = (client) => client.close();
      const client = stage.connect(recorder, { address, reconnect }, loop);
      if (moment === 'while it connects') client.close();
      if (moment === 'while it waits') {
        await eventually(() => expect(client.state).to.equal('waiting'));
        client.close();
      }
      await eventually(() => expect(client.state).to.equal('closed'));
      await eventually(() => expect(loop.metrics()).to.include({ sources: 0, pendingTimers: 0 }));
      expect(recorder.events.includes('disconnect closed')).to.equal(moment === 'in onConnect');
    });
  }

  it('what a callback throws goes to onError, and ends the connection', async () => {
    const thrown = new Error('mine');
    const recorder = new Recorder();
    recorder.onData = () => {
      throw thrown;
    };
    const { address } = await stage.foreignServer(echo);
    const client = stage.connect(recorder, { address });
    client.send('x');
    await eventually(() => expect(recorder.events.at(-1)).to.equal('disconnect error'));
    expect(recorder.errors).to.deep.equal([thrown]);
    expect(client.state).to.equal('idle');
  });

  it('N5: without onError a throw is a warning, and so is what onError throws', async () => {
    const texts = warnings(stage.own);
    const loop = stage.running();
    const { address } = await stage.foreignServer(echo);
    const onConnect = () => {
      throw new Error('mine');
    };
    const onError = () => {
      throw new Error('again');
    };
    const onData = () => undefined;
    const first = stage.connect({ onConnect, onData }, { address }, loop);
    await eventually(() => expect(texts).to.have.length(1));
    const second = stage.connect({ onConnect, onData, onError }, { address }, loop);
    await eventually(() => expect(texts).to.have.length(2));
    expect(texts[0]).to.include('a callback of a TcpClient has thrown: Error: mine');
    expect(texts[1]).to.include('onError of a TcpClient has thrown: Error: again');
    expect([first.state, second.state]).to.deep.equal(['idle', 'idle']);
    expect(loop.isRunning).to.equal(true);
  });

  it('ends a connection on which nothing happens', async () => {
    const recorder = new Recorder();
    const { address } = await stage.foreignServer(echo);
    stage.connect(recorder, { address, idleTimeoutMs: 30 });
    await eventually(() => expect(recorder.events.at(-1)).to.equal('disconnect idle'));
  });

  it('pauses and resumes reading', async () => {
    const recorder = new Recorder();
    const { address } = await stage.foreignServer(echo);
    const client = stage.connect(recorder, { address });
    expect(client.pauseReads()).to.equal(false);
    await eventually(() => expect(client.state).to.equal('open'));
    expect(client.pauseReads()).to.equal(true);
    client.send('x');
    await eventually(() => expect(client.connection?.bytesWritten).to.equal(1));
    expect(client.connection?.isPaused).to.equal(true);
    expect(client.resumeReads()).to.equal(true);
    await eventually(() => expect(recorder.receivedBytes).to.equal(1));
  });

  it('on a loop that does not run, close() does all of it at once', async () => {
    const recorder = new Recorder();
    const loop = stage.loop();
    const run = loop.run({});
    const { address } = await stage.foreignServer(echo);
    const client = stage.connect(recorder, { address }, loop);
    await eventually(() => expect(client.state).to.equal('open'));
    loop.shutdown();
    await run;
    client[Symbol.dispose]();
    expect(recorder.events).to.deep.equal(['connect', 'disconnect closed']);
    expect(loop.metrics()).to.include({ sources: 0, pendingTimers: 0 });
  });
});

describeNet(
  'client over TCP',
  (stage) => {
    it('gives up a handshake that takes longer than connectTimeoutMs', async () => {
      const recorder = new Recorder();
      // A listener whose backlog is full answers no handshake: the kernel lets it wait.
      const filler = await stage.unanswering();
      const startMs = performance.now();
      const client = stage.connect(recorder, { address: filler, connectTimeoutMs: 50 });
      await eventually(() => expect(recorder.events).to.deep.equal(['error ETIMEDOUT']));
      expect(performance.now() - startMs).to.be.at.least(49);
      expect(client.state).to.equal('idle');
    });
  },
  ['TCP'],
);
