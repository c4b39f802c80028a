/**
 * Callbacks of servers and clients that return promises. What such a promise
 * rejects with was thrown (rule N5); nobody waits for it. A rejection that
 * escapes fails the run, since the process hears of it.
 */
import { expect } from 'chai';
import { setImmediate as turn } from 'node:timers/promises';
import {
  type ClientHandler,
  type NetworkHandler,
  type ServerContext,
  type TcpClient,
  TcpServer,
} from '../../src/net/index.js';
import { stagesAfterEach } from '../support/actors.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { connectTo, describeNet, Peer, Recorder, warnings } from '../support/net.js';
import { closingAfterEach } from '../support/sockets.js';

leavesNothingBehind();

const MARKS = { highWaterMarkBytes: 1, lowWaterMarkBytes: 1 };
const CALLBACKS = ['onConnect', 'onData', 'onDrained', 'onDisconnect'] as const;
type Callback = (typeof CALLBACKS)[number];

/** As programs are written that do their work in promises. */
class AsyncEcho implements NetworkHandler {
  readonly #fails: (callback: Callback, id: number) => Promise<void>;

  constructor(fails: (callback: Callback, id: number) => Promise<void>) {
    this.#fails = fails;
  }

  async onConnect(_: ServerContext, id: number): Promise<void> {
    await this.#fails('onConnect', id);
  }

  async onData(context: ServerContext, id: number, data: Uint8Array): Promise<void> {
    const copy = data.slice();
    await this.#fails('onData', id);
    context.sendTo(id, copy);
  }

  async onDrained(_: ServerContext, id: number): Promise<void> {
    await this.#fails('onDrained', id);
  }

  async onDisconnect(_: ServerContext, id: number): Promise<void> {
    await this.#fails('onDisconnect', id);
  }
}

/** What can be opened by whoever holds it. */
interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

function closedGate(): Gate {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Brings about that this callback is called for connection 2. */
async function provoke(callback: Callback, server: TcpServer, peer: Peer): Promise<void> {
  if (callback === 'onDisconnect') peer.socket.end();
  else peer.socket.write('x');
  if (callback !== 'onDrained') return;
  peer.socket.pause();
  await eventually(() => expect(server.connection(2)?.isOpen).to.equal(true));
  const chunk = new Uint8Array(64 * 1024);
  while (server.connection(2)!.queuedBytes === 0) server.sendTo(2, chunk);
  peer.socket.resume();
}

describeNet('server with async callbacks', (stage) => {
  for (const callback of CALLBACKS) {
    it(`N5: what ${callback} rejects with goes to onError, and ends one connection`, async () => {
      const thrown = new Error('mine');
      const events: string[] = [];
      const errors: unknown[] = [];
      const handler = new AsyncEcho(async (name, id) => {
        if (name === 'onDisconnect') events.push(`disconnect ${id}`);
        await turn();
        if (name === callback && id === 2) throw thrown;
      });
      const onError = (_: unknown, id: number | null, error: Error) => {
        events.push(`error ${id}`);
        errors.push(error);
      };
      const server = stage.serve(Object.assign(handler, { onError }), MARKS);
      const good = await stage.peer(server);
      await eventually(() => expect(server.connectionCount).to.equal(1));
      const bad = await stage.peer(server);
      await provoke(callback, server, bad);
      await bad.seesEnd();
      await eventually(() => expect(events).to.have.length(2));
      const expected = ['error 2', 'disconnect 2'];
      if (callback === 'onDisconnect') expected.reverse();
      expect(events).to.deep.equal(expected);
      expect(errors).to.deep.equal([thrown]);
      good.socket.write('still here');
      expect((await good.receives(10)).toString()).to.equal('still here');
      expect(server.connectionCount).to.equal(1);
      expect(events).to.have.length(2);
    });

    it(`N5: what ${callback} rejects with is a warning where there is no onError`, async () => {
      const texts = warnings(stage.own);
      const handler = new AsyncEcho(async (name, id) => {
        if (name === callback && id === 2) throw new Error('mine');
      });
      const server = stage.serve(handler, MARKS);
      const good = await stage.peer(server);
      await eventually(() => expect(server.connectionCount).to.equal(1));
      const bad = await stage.peer(server);
      await provoke(callback, server, bad);
      await bad.seesEnd();
      await eventually(() => expect(texts).to.have.length(1));
      expect(texts[0]).to.match(/^a callback of a TcpServer has thrown: Error: mine\n +at /);
      good.socket.write('still here');
      expect((await good.receives(10)).toString()).to.equal('still here');
    });
  }

  it('N5: a connection ends when a promise of its callbacks rejects, not before', async () => {
    const gate = closedGate();
    const recorder = new Recorder();
    const original = recorder.onData.bind(recorder);
    const fail = async (text: string) => {
      await gate.opened;
      throw new Error(text);
    };
    const onData = (context: ServerContext, id: number, data: Uint8Array) => {
      original(context, id, data);
      return fail(Buffer.from(data).toString());
    };
    const server = stage.serve(Object.assign(recorder, { onData }));
    const peer = await stage.peer(server);
    peer.socket.write('one');
    await eventually(() => expect(recorder.events).to.include('data 1 one'));
    peer.socket.write('two');
    await eventually(() => expect(recorder.events).to.include('data 1 two'));
    gate.open();
    await peer.seesEnd();
    await eventually(() => expect(recorder.events).to.include('disconnect 1 error'));
    // Both have rejected by then; the second is told of a connection that has ended.
    const errors = ['error 1 one', 'error 1 two'];
    expect(recorder.of(1).slice(3)).to.deep.equal([errors[0], 'disconnect 1 error', errors[1]]);
  });

  it('N5: what rejects when its connection is gone is told, and that is all', async () => {
    const gate = closedGate();
    const recorder = new Recorder();
    const onConnect = async (_: unknown, id: number) => {
      if (id > 1) return;
      await gate.opened;
      throw new Error('late');
    };
    const server = stage.serve(Object.assign(recorder, { onConnect }), { maxConnections: 1 });
    const first = await stage.peer(server);
    first.socket.end();
    await eventually(() =>
      expect(recorder.events).to.deep.equal(['listening', 'disconnect 1 ended']),
    );
    // In its place, and with the slot that it had.
    const second = await stage.peer(server);
    await eventually(() => expect(server.connectionCount).to.equal(1));
    gate.open();
    await eventually(() => expect(recorder.events.slice(2)).to.deep.equal(['error 1 late']));
    second.socket.write('still here');
    await eventually(() => expect(recorder.of(2)).to.deep.equal(['data 2 still here']));
    expect(recorder.errors).to.have.length(1);
  });

  it('N5: what onListening and onError reject with ends nothing', async () => {
    const texts = warnings(stage.own);
    const told: string[] = [];
    const server = stage.serve({
      onListening: async () => {
        throw new Error('listening');
      },
      onData: async (context, id, data) => {
        if (id === 2) throw new Error('data');
        context.sendTo(id, data);
      },
      onError: async (_, id, error) => {
        told.push(`${id} ${error.message}`);
        if (id !== null) throw new Error('again');
      },
    });
    const [good, bad] = await stage.peers(server, 2);
    await eventually(() => expect(told).to.deep.equal(['null listening']));
    bad.socket.write('x');
    await bad.seesEnd();
    await eventually(() => expect(texts).to.have.length(1));
    expect(texts[0]).to.include('onError of a TcpServer has thrown: Error: again');
    expect(told).to.deep.equal(['null listening', '2 data']);
    good.socket.write('still here');
    await good.receives(10);
  });

  it('N5: promises of any make count, once, and what is no promise does not', async () => {
    const mine = new Error('mine');
    const returned: unknown[] = [
      { then: (_: unknown, reject: (error: Error) => void) => (reject(mine), reject(mine)) },
      {
        then: () => {
          throw mine;
        },
      },
      Object.defineProperty({}, 'then', {
        get: () => {
          throw mine;
        },
      }),
      ...[null, 7, true, 'text', {}, { then: 1 }, Promise.resolve(mine), Symbol('s'), mine],
    ];
    const recorder = new Recorder();
    const onData = (_: unknown, id: number) => returned[id - 1];
    const server = stage.serve(Object.assign(recorder, { onData }));
    const peers = await stage.peers(server, returned.length);
    await eventually(() => expect(server.connectionCount).to.equal(returned.length));
    for (const { socket } of peers) socket.write('x');
    await Promise.all(peers.slice(0, 3).map((peer) => peer.seesEnd()));
    await eventually(() => expect(recorder.errors).to.have.length(3));
    for (const { error } of recorder.errors) expect(error).to.equal(mine);
    expect(server.connectionCount).to.equal(returned.length - 3);
  });

  it('N5, N6: what rejects after a stop is told, for a stop waits for no promise', async () => {
    const gate = closedGate();
    const recorder = new Recorder();
    const onDisconnect = async () => {
      await gate.opened;
      throw new Error('late');
    };
    const server = stage.serve(Object.assign(recorder, { onDisconnect }));
    const peer = await stage.peer(server);
    await eventually(() => expect(server.connectionCount).to.equal(1));
    peer.socket.end();
    await server.stop();
    expect(recorder.errors).to.deep.equal([]);
    gate.open();
    await eventually(() => expect(recorder.events.at(-1)).to.equal('error 1 late'));
    expect(recorder.errors).to.have.length(1);
  });

  it('N5, L10: what rejects when the loop is closed is a warning', async () => {
    const texts = warnings(stage.own);
    const recorder = new Recorder();
    const gates = [closedGate(), closedGate()];
    const loop = stage.running();
    const onConnect = async (_: unknown, id: number) => {
      await gates[id - 1].opened;
      throw new Error(`late ${id}`);
    };
    const server = stage.serve(Object.assign(recorder, { onConnect }), {}, loop);
    await stage.peers(server, 2);
    await eventually(() => expect(server.connectionCount).to.equal(2));
    gates[0].open();
    await gates[0].opened;
    // Rejected, and to be told in the next tick, of which there is none.
    await Promise.resolve();
    loop.close();
    gates[1].open();
    await eventually(() => expect(texts).to.have.length(2));
    expect(texts[0]).to.include('a callback of a TcpServer has thrown: Error: late 1');
    expect(texts[1]).to.include('a callback of a TcpServer has thrown: Error: late 2');
    expect(recorder.errors).to.deep.equal([]);
  });
});

describeNet('client with async callbacks', (stage) => {
  for (const callback of CALLBACKS) {
    it(`N5: what ${callback} rejects with goes to onError, and ends the connection`, async () => {
      const thrown = new Error('mine');
      const events: string[] = [];
      const fails = async (name: Callback) => {
        if (name === 'onDisconnect') events.push('disconnect');
        await turn();
        if (name === callback) throw thrown;
      };
      const handler: ClientHandler = {
        onConnect: () => fails('onConnect'),
        onData: () => fails('onData'),
        onDrained: () => fails('onDrained'),
        onDisconnect: () => fails('onDisconnect'),
        onError: (_, error) => {
          expect(error).to.equal(thrown);
          events.push('error');
        },
      };
      const { address } = await stage.foreignServer((socket) => {
        if (callback === 'onDisconnect') socket.end();
        else if (callback === 'onDrained') socket.resume();
        else socket.write('x');
      });
      const client = stage.connect(handler, { address, ...MARKS });
      if (callback === 'onDrained') client.send(new Uint8Array(16 << 20));
      const expected = ['error', 'disconnect'];
      if (callback === 'onDisconnect') expected.reverse();
      await eventually(() => expect(events).to.deep.equal(expected));
      expect(client.state).to.equal('idle');
    });
  }

  it('N5: without onError it is a warning', async () => {
    const texts = warnings(stage.own);
    const onConnect = () => Promise.reject(new Error('mine'));
    const { address } = await stage.foreignServer(() => undefined);
    const client = stage.connect({ onConnect, onData: () => undefined }, { address });
    await eventually(() => expect(texts).to.have.length(1));
    expect(texts[0]).to.include('a callback of a TcpClient has thrown: Error: mine');
    expect(client.state).to.equal('idle');
  });

  it('N5: the promise of an earlier connection does not end the next', async () => {
    const gate = closedGate();
    const events: string[] = [];
    const received: string[] = [];
    let attempts = 0;
    const onConnect = async (client: TcpClient) => {
      attempts += 1;
      events.push(`connect ${attempts}`);
      if (attempts > 1) return;
      client.send('end');
      await gate.opened;
      throw new Error('late');
    };
    const { address } = await stage.foreignServer((socket) => {
      socket.on('end', () => socket.end());
      socket.on('data', (data) => {
        if (data.toString() === 'end') socket.end();
        else socket.write(data);
      });
    });
    const client = stage.connect(
      {
        onConnect,
        onData: (_, data) => void received.push(Buffer.from(data).toString()),
        onDisconnect: (_, reason) => void events.push(`disconnect ${reason}`),
        onError: (_, error) => void events.push(`error ${error.message}`),
      },
      { address, reconnect: { backoffMs: 1, backoffMaxMs: 1 } },
    );
    const before = ['connect 1', 'disconnect ended', 'connect 2'];
    await eventually(() => expect(events).to.deep.equal(before));
    gate.open();
    await eventually(() => expect(events).to.deep.equal([...before, 'error late']));
    client.send('still here');
    await eventually(() => expect(received.join('')).to.equal('still here'));
    expect(client.state).to.equal('open');
    client.close();
    await eventually(() => expect(client.connection).to.equal(null));
  });
});

describe('servers with async callbacks in actors', () => {
  const own = closingAfterEach();
  const start = stagesAfterEach();

  it('N5: what a promise rejects with is no crash of the actor', async () => {
    const stage = await start();
    const texts = warnings(own);
    let server!: TcpServer;
    const gate = closedGate();
    const onData = async (context: ServerContext, id: number) => {
      if (id === 3) await gate.opened;
      if (id !== 2) throw new Error(`mine ${id}`);
      context.sendTo(id, 'ok');
    };
    const actor = await stage.play({
      started: (context) => {
        server = new TcpServer(context, { address: '127.0.0.1:0' }, { onData });
        server.listen();
      },
    });
    const address = await eventually(() => server.localAddress!);
    const peers = [1, 2, 3].map(() => new Peer(connectTo(address)));
    own({ close: () => peers.forEach(({ socket }) => socket.destroy()) });
    for (const { socket } of peers) socket.write('x');
    await eventually(() => expect(texts).to.have.length(1));
    await eventually(() => expect(server.connectionCount).to.equal(2));
    // Its instance is gone when it rejects.
    await actor.stop();
    gate.open();
    await eventually(() => expect(texts).to.have.length(2));
    expect(texts.join()).to.match(/mine 1.*mine 3/s);
    expect(stage.crashes).to.deep.equal([]);
  });
});
