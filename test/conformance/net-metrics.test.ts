/** What servers and clients count. That of servers on shards is in `net-shards.test.ts`. */
import { expect } from 'chai';
import { EventLoop } from '../../src/index.js';
import {
  type ClientHandler,
  type ClientMetrics,
  type NetworkHandler,
  type ServerMetrics,
  type TcpClient,
  TcpServer,
} from '../../src/net/index.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeNet, warnings } from '../support/net.js';
import { refusingAddress } from '../support/sockets.js';
import { Paths } from '../support/unix.js';

leavesNothingBehind();

const NO_TRAFFIC = { bytesRead: 0, bytesWritten: 0, callbackErrors: 0 };
const SERVER: ServerMetrics = { accepted: 0, refused: 0, closed: 0, ...NO_TRAFFIC };
const CLIENT: ClientMetrics = { connected: 0, failed: 0, closed: 0, ...NO_TRAFFIC };

const ECHO: NetworkHandler = {
  onData: (context, id, data) => context.sendTo(id, data),
  onError: () => undefined,
};
const SILENT: ClientHandler = { onData: () => undefined };

describeNet('metrics', (stage) => {
  it('a server counts its connections and their bytes, and goes on to be asked', async () => {
    const silent = new TcpServer(stage.own(new EventLoop()), { address: stage.address() }, ECHO);
    expect(silent.metrics()).to.deep.equal(SERVER);
    const server = stage.serve(ECHO, { maxConnections: 2 });
    const peers = await stage.peers(server, 2);
    const extra = await stage.peer(server);
    await extra.seesEnd();
    const sent = Buffer.alloc(1 << 20, 'x');
    for (const peer of peers) peer.socket.write(sent);
    await Promise.all(peers.map((peer) => peer.receives(sent.length)));
    const bytes = { bytesRead: 2 * sent.length, bytesWritten: 2 * sent.length };
    const before = server.metrics();
    expect(before).to.deep.equal({ ...SERVER, ...bytes, accepted: 2, refused: 1 });
    peers[0].reset();
    await eventually(() => expect(server.metrics().closed).to.equal(1));
    await server.stop({ timeoutMs: 0 });
    const after = { ...SERVER, ...bytes, accepted: 2, refused: 1, closed: 2 };
    expect(server.metrics()).to.deep.equal(after);
    // A copy of the moment at which it was asked for.
    expect(before.closed).to.equal(0);
  });

  it('N5: what callbacks throw or reject with counts, onError included', async () => {
    const texts = warnings(stage.own);
    const server = stage.serve({
      onData: (_, id, data) => {
        const text = Buffer.from(data).toString();
        if (text === 'throw') throw new Error('thrown');
        return text === 'reject' ? Promise.reject(new Error(`rejected ${id}`)) : text;
      },
      onError: (_, __, error) => {
        if (error.message === 'thrown') throw new Error('again');
      },
    });
    const peers = await stage.peers(server, 4);
    await eventually(() => expect(server.metrics().accepted).to.equal(4));
    peers[0].socket.write('throw');
    peers[1].socket.write('reject');
    peers[2].socket.write('fine');
    peers[3].reset();
    await eventually(() => expect(texts).to.have.length(1));
    await eventually(() => expect(server.metrics().closed).to.equal(3));
    expect(server.metrics()).to.include({ accepted: 4, callbackErrors: 3 });
  });

  it('a client counts over all its connections, and attempts that fail', async () => {
    const { address, close } = await stage.foreignServer((socket) => {
      socket.on('end', () => socket.end());
      socket.on('data', (data) => {
        socket.write(data);
        if (data.includes('end')) socket.end();
      });
    });
    let count = 0;
    const handler = {
      onData: () => {
        if (count === 3) throw new Error('mine');
      },
      onConnect: (client: TcpClient) => {
        count += 1;
        client.send(count < 3 ? 'an end' : 'more');
      },
      // Nobody is there from now on.
      onError: () => close(),
    };
    const reconnect = { backoffMs: 1, maxAttempts: 2 };
    const client = stage.connect(handler, { address, reconnect });
    await eventually(() => expect(client.state).to.equal('idle'));
    expect(client.metrics()).to.deep.equal({
      ...CLIENT,
      connected: 3,
      closed: 3,
      failed: 2,
      bytesRead: 16,
      bytesWritten: 16,
      callbackErrors: 1,
    });
    const vain = stage.isUnix ? { path: stage.own(new Paths()).next() } : refusingAddress();
    const other = stage.connect(SILENT, { address: vain });
    await eventually(() => expect(other.metrics()).to.deep.equal({ ...CLIENT, failed: 1 }));
  });
});
