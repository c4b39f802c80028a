/**
 * Example 20: the server against the examples of the specification, as bytes
 * over real sockets; the client against a server that does as it is told.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { calculator } from '../../examples/20-json-rpc/calculator.js';
import { method, type Methods } from '../../examples/20-json-rpc/methods.js';
import { RpcError } from '../../examples/20-json-rpc/protocol.js';
import { type Alarm, RpcClient } from '../../examples/20-json-rpc/rpc-client.js';
import { RpcServer } from '../../examples/20-json-rpc/rpc-server.js';
import { EventLoop } from '../../src/index.js';
import { encodeFrame, LengthPrefixedDecoder } from '../../src/net/index.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { rejectionOf } from '../support/thrown.js';

leavesNothingBehind();

const PEER = '127.0.0.1';

/** Request and answer; null for none. Section 7 of the specification, in its words. */
const EXAMPLES: Record<string, [string, string | null]> = {
  'call with positional parameters': [
    '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
    '{"jsonrpc": "2.0", "result": 19, "id": 1}',
  ],
  'call with positional parameters, the other way round': [
    '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}',
    '{"jsonrpc": "2.0", "result": -19, "id": 2}',
  ],
  'call with named parameters': [
    `{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42},
      "id": 3}`,
    '{"jsonrpc": "2.0", "result": 19, "id": 3}',
  ],
  'call with named parameters, the other way round': [
    `{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23},
      "id": 4}`,
    '{"jsonrpc": "2.0", "result": 19, "id": 4}',
  ],
  'a notification': ['{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', null],
  'a notification of a method that does not exist': [
    '{"jsonrpc": "2.0", "method": "foobar"}',
    null,
  ],
  'call of non-existent method': [
    '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
    '{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}',
  ],
  'call with invalid JSON': [
    '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
    '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}',
  ],
  'call with invalid Request object': [
    '{"jsonrpc": "2.0", "method": 1, "params": "bar"}',
    '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}',
  ],
  'call Batch, invalid JSON': [
    `[
      {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
      {"jsonrpc": "2.0", "method"
    ]`,
    '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}',
  ],
  'call with an empty Array': [
    '[]',
    '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}',
  ],
  'call with an invalid Batch (but not empty)': [
    '[1]',
    '[{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]',
  ],
  'call with invalid Batch': [
    '[1,2,3]',
    `[
      {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
      {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
      {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}
    ]`,
  ],
  'call Batch': [
    `[
      {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
      {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
      {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
      {"foo": "boo"},
      {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
      {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
    ]`,
    `[
      {"jsonrpc": "2.0", "result": 7, "id": "1"},
      {"jsonrpc": "2.0", "result": 19, "id": "2"},
      {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
      {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},
      {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}
    ]`,
  ],
  'call Batch (all notifications)': [
    `[
      {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
      {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
    ]`,
    null,
  ],
};

/** Answered after everything that was sent before it. */
const LAST = '{"jsonrpc": "2.0", "method": "get_data", "id": "last"}';
const LAST_ANSWER = { jsonrpc: '2.0', result: ['hello', 5], id: 'last' };

describe('example 20: JSON-RPC', () => {
  let loop: EventLoop<never, Alarm>;
  let running: Promise<void>;
  let closing: (() => unknown)[] = [];

  beforeEach(() => {
    loop = new EventLoop();
    running = loop.run({ timeout: (_loop: unknown, alarm: Alarm) => alarm() });
  });

  afterEach(async () => {
    for (const close of closing.toReversed()) await close();
    closing = [];
    loop.shutdown();
    await running;
    loop.close();
  });

  function serve(methods: Methods): number {
    const server = new RpcServer(loop, `${PEER}:0`, methods);
    closing.push(() => server.stop());
    return server.listen().port;
  }

  function clientOf(port: number, timeoutMs?: number): RpcClient {
    const options = timeoutMs === undefined ? {} : { timeoutMs };
    const client = new RpcClient(loop, `${PEER}:${port}`, options);
    closing.push(() => client.close());
    return client;
  }

  /** A server that shows each message to `respond`, with the socket it came from. */
  async function peer(respond: (message: never, socket: Socket) => void): Promise<number> {
    const server: Server = createServer((socket) => {
      const decoder = new LengthPrefixedDecoder({}, (frame) => {
        respond(JSON.parse(Buffer.from(frame).toString()) as never, socket);
      });
      socket.on('data', (data) => decoder.push(data));
      socket.on('error', () => {});
      closing.push(() => socket.destroy());
    });
    server.listen(0, PEER);
    await once(server, 'listening');
    closing.push(() => server.close());
    return (server.address() as AddressInfo).port;
  }

  /** Sends bytes, and returns the messages that come until there are so many, or the end. */
  async function exchange(port: number, bytes: Uint8Array[], count: number): Promise<unknown[]> {
    const socket = connect({ port, host: PEER, noDelay: true });
    const messages: unknown[] = [];
    const decoder = new LengthPrefixedDecoder({}, (frame) => {
      messages.push(JSON.parse(Buffer.from(frame).toString()));
      if (messages.length === count) socket.destroy();
    });
    socket.on('data', (data) => decoder.push(data));
    socket.on('error', () => {});
    for (const part of bytes) socket.write(part);
    await once(socket, 'close');
    return messages;
  }

  describe('the server, by the specification:', () => {
    for (const [name, [request, answer]] of Object.entries(EXAMPLES)) {
      it(name, async () => {
        const expected = answer === null ? [LAST_ANSWER] : [JSON.parse(answer), LAST_ANSWER];
        const port = serve(calculator);
        const bytes = [encodeFrame(request), encodeFrame(LAST)];
        // Answers come as they are ready, which for a batch may be after the next one.
        const found = await exchange(port, bytes, expected.length);
        expect(found).to.have.deep.members(expected);
      });
    }

    it('wrong parameters are -32602, what a method throws is -32603 or its own', async () => {
      const port = serve({
        ...calculator,
        fail: method([], () => {
          throw new Error('a secret');
        }),
        reject: method([], () => Promise.reject(new RpcError(7, 'lucky', [1]))),
      });
      const client = clientOf(port);
      const error = async (name: string, params?: object) => {
        const { code, message, data } = (await rejectionOf(
          client.call(name, params as never),
        )) as unknown as RpcError;
        return [code, message, data];
      };
      expect(await error('subtract', [1])).to.deep.equal([
        -32602,
        'Invalid params',
        'expected 2 params',
      ]);
      expect(await error('subtract', { minuend: 1, other: 2 })).to.deep.equal([
        -32602,
        'Invalid params',
        { missing: ['subtrahend'], unknown: ['other'] },
      ]);
      expect(await error('fail')).to.deep.equal([-32603, 'Internal error', undefined]);
      expect(await error('reject')).to.deep.equal([7, 'lucky', [1]]);
      expect(await error('constructor')).to.deep.equal([-32601, 'Method not found', undefined]);
    });
  });

  it('frames may come one byte at a time', async () => {
    const bytes = Array.from(encodeFrame(LAST), (byte) => Uint8Array.of(byte));
    expect(await exchange(serve(calculator), bytes, 1)).to.deep.equal([LAST_ANSWER]);
  });

  it('a frame that is too large ends its connection, and no other', async () => {
    const port = serve(calculator);
    const client = clientOf(port);
    expect(await client.call('subtract', [2, 1])).to.equal(1);
    expect(await exchange(port, [Uint8Array.of(0xff, 0, 0, 0)], 1)).to.deep.equal([]);
    expect(await client.call('subtract', [3, 1])).to.equal(2);
  });

  it('an answer larger than a frame fails the call', async () => {
    const client = clientOf(serve({ large: method([], () => 'x'.repeat(2 ** 20)) }));
    expect(await rejectionOf(client.call('large'))).to.include({ code: 'ERR_RPC_DISCONNECTED' });
  });

  describe('the client', () => {
    it('calls many at once, each with its own answer, in whatever order they come', async () => {
      const received: { id: number; params: [number] }[] = [];
      const port = await peer((message: (typeof received)[0], socket) => {
        if (received.push(message) < 100) return;
        for (const { id, params } of received.toReversed()) {
          socket.write(encodeFrame(JSON.stringify({ jsonrpc: '2.0', result: params[0], id })));
        }
      });
      const client = clientOf(port);
      const numbers = Array.from({ length: 100 }, (_, number) => number);
      const calls = numbers.map((number) => client.call('same', [number]));
      expect(await Promise.all(calls)).to.deep.equal(numbers);
    });

    it('sends a batch as one message, and tells what comes of each call', async () => {
      const client = clientOf(serve(calculator));
      const outcomes = await client.batch([
        { method: 'subtract', params: [42, 23] },
        { method: 'update', params: [1, 2, 3, 4, 5], isNotification: true },
        { method: 'foobar' },
      ]);
      expect(outcomes[0]).to.deep.equal({ status: 'fulfilled', value: 19 });
      expect(outcomes[1]).to.have.nested.property('reason.code', -32601);
      expect(outcomes.length).to.equal(2);
      expect(await client.batch([])).to.deep.equal([]);
    });

    it('notifications arrive, and nothing is waited for', async () => {
      const arrived = new Promise((resolve) => {
        const port = serve({ tell: method(['text'], resolve) });
        expect(clientOf(port).notify('tell', ['hello'])).to.equal(true);
      });
      expect(await arrived).to.equal('hello');
    });

    it('all pending calls fail when the connection ends', async () => {
      let count = 0;
      const port = await peer((_message, socket) => {
        if (++count === 2) socket.destroy();
      });
      const client = clientOf(port);
      const errors = [client.call('a'), client.call('b')].map(rejectionOf);
      for (const error of await Promise.all(errors)) {
        expect(error).to.include({ code: 'ERR_RPC_DISCONNECTED' });
      }
      expect(await rejectionOf(client.call('c'))).to.include({ code: 'ERR_RPC_REFUSED' });
    });

    it('calls fail with the cause when nobody listens', async () => {
      const port = await peer(() => {});
      await closing.pop()?.();
      const error = await rejectionOf(clientOf(port).call('a'));
      expect(error).to.include({ code: 'ERR_RPC_DISCONNECTED' });
      expect(error.cause).to.include({ code: 'ECONNREFUSED' });
    });

    it('a call fails when its time is over; a late answer is dropped', async () => {
      let late: Socket | undefined;
      const port = await peer(({ id, method: name }: { id: number; method: string }, socket) => {
        late ??= socket;
        if (name === 'mute') return;
        for (const answered of [id - 1, id]) {
          socket.write(encodeFrame(JSON.stringify({ jsonrpc: '2.0', result: name, id: answered })));
        }
      });
      const client = clientOf(port, 50);
      const error = await rejectionOf(client.call('mute'));
      expect(error).to.include({ code: 'ERR_RPC_TIMEOUT' });
      expect(await client.call('loud')).to.equal('loud');
    });

    it('L2: an answer that is there in time counts, however late the thread looks', async () => {
      const port = await peer(({ id }: { id: number }, socket) => {
        socket.write(encodeFrame(JSON.stringify({ jsonrpc: '2.0', result: 'here', id })));
        const endMs = performance.now() + 150;
        while (performance.now() < endMs);
      });
      expect(await clientOf(port, 100).call('stall')).to.equal('here');
    });

    it('what is no response ends the connection', async () => {
      for (const text of ['nonsense', '{"jsonrpc":"2.0","id":1}', '[1]']) {
        const port = await peer((_message, socket) => socket.write(encodeFrame(text)));
        const error = await rejectionOf(clientOf(port).call('a'));
        expect(error).to.include({ code: 'ERR_RPC_DISCONNECTED' });
      }
    });

    it('what cannot be sent is refused, and close() fails what is pending', async () => {
      const client = clientOf(await peer(() => {}));
      const large = await rejectionOf(client.call('a', ['x'.repeat(2 ** 20)]));
      expect(large).to.include({ code: 'ERR_RPC_REFUSED' });
      expect(large.cause).to.include({ code: 'ERR_FRAME_TOO_LARGE' });
      const circle: unknown[] = [];
      circle.push(circle);
      expect(await rejectionOf(client.call('a', circle))).to.include({ code: 'ERR_RPC_REFUSED' });
      const pending = rejectionOf(client.call('a'));
      client.close();
      expect(await pending).to.include({ code: 'ERR_RPC_DISCONNECTED' });
    });
  });
});
