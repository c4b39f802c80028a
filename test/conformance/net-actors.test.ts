/** Servers and clients in actors: they belong to the instance whose context they live on. */
import { once } from 'node:events';
import { expect } from 'chai';
import type { ActorContext } from '../../src/index.js';
import { TcpClient, TcpServer, type NetAddress } from '../../src/net/index.js';
import { QUICK, stagesAfterEach } from '../support/actors.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { connectTo, Peer, Recorder, warnings } from '../support/net.js';
import { closingAfterEach } from '../support/sockets.js';
import { rejectionOf } from '../support/thrown.js';
import { Paths } from '../support/unix.js';

leavesNothingBehind();

describe('servers in actors', () => {
  const own = closingAfterEach();
  const start = stagesAfterEach();

  async function peerOf(address: NetAddress): Promise<Peer> {
    const peer = new Peer(connectTo(address));
    own({ close: () => peer.socket.destroy() });
    await once(peer.socket, 'connect');
    return peer;
  }

  it('serves, and is closed with its actor, which hears no more of it', async () => {
    const stage = await start();
    const recorder = new Recorder();
    let server!: TcpServer;
    const actor = await stage.play({
      started: (context) => {
        server = new TcpServer(context, { address: '127.0.0.1:0' }, recorder);
        server.listen();
      },
      ready: () => {
        throw new Error('the actor was called for a source');
      },
      timeout: () => {
        throw new Error('the actor was called for a timeout');
      },
    });
    const peer = await eventually(() => peerOf(server.localAddress!));
    peer.socket.write('hello');
    await eventually(() => expect(recorder.of(1)).to.deep.equal(['connect 1', 'data 1 hello']));
    await actor.stop();
    await peer.seesEnd();
    expect(recorder.of(1)).to.have.length(2);
    expect(server).to.include({ connectionCount: 0, isListening: false });
    await server.stop();
    expect(stage.crashes).to.deep.equal([]);
  });

  it('a stopped() that waits for stop() lets the server flush and tell', async () => {
    const stage = await start();
    const recorder = new Recorder();
    const sent = new Uint8Array(8 << 20).fill(7);
    let server!: TcpServer;
    const actor = await stage.play({
      started: (context) => {
        server = new TcpServer(context, { address: '127.0.0.1:0' }, recorder);
        server.listen();
      },
      stopped: () => server.stop(),
    });
    const peer = await eventually(() => peerOf(server.localAddress!));
    peer.socket.pause();
    await eventually(() => expect(server.sendTo(1, sent)).to.equal(true));
    const stopped = actor.stop();
    peer.socket.resume();
    await stopped;
    await peer.receives(sent.length);
    expect(recorder.events.at(-1)).to.equal('disconnect 1 closed');
    expect(stage.crashes).to.deep.equal([]);
  });

  it('N5: what a callback throws is no crash of the actor', async () => {
    const stage = await start();
    const texts = warnings(own);
    const ended: number[] = [];
    let server!: TcpServer;
    const onData = (_: unknown, id: number) => {
      if (id === 1) throw new Error('mine');
      server.sendTo(id, 'ok');
    };
    await stage.play({
      started: (context) => {
        const handler = { onData, onDisconnect: (_: unknown, id: number) => void ended.push(id) };
        server = new TcpServer(context, { address: '127.0.0.1:0' }, handler);
        server.listen();
      },
    });
    const bad = await eventually(() => peerOf(server.localAddress!));
    const good = await peerOf(server.localAddress!);
    bad.socket.write('x');
    await bad.seesEnd();
    await eventually(() => expect(ended).to.deep.equal([1]));
    good.socket.write('x');
    await good.receives(2);
    await eventually(() => expect(texts).to.have.length(1));
    expect(stage.crashes).to.deep.equal([]);
  });

  it('what another guest lets escape is a crash of the kind guest', async () => {
    const stage = await start();
    const thrown = new Error('mine');
    await stage.play(
      {
        started: (context) => {
          const host = context.admit({ dismissed: () => undefined });
          host.timeout({ expire: () => host.escaped(thrown) }, 0);
        },
      },
      { supervision: { onCrash: 'resume' } },
    );
    await eventually(() => expect(stage.crashes).to.have.length(1));
    expect(stage.crashes[0]).to.include({ kind: 'guest', error: thrown });
  });

  it('a crash closes the server, and the next instance can listen there again', async () => {
    const stage = await start();
    const path = own(new Paths()).next();
    const thrown = new Error('mine');
    const ended: number[] = [];
    const servers: TcpServer[] = [];
    const actor = await stage.play(
      {
        started: (context) => {
          const server = new TcpServer(
            context,
            { address: { path } },
            {
              onData: (_, id) => void server.sendTo(id, 'ok'),
              onDisconnect: (_, id) => void ended.push(id),
            },
          );
          server.listen();
          servers.push(server);
        },
        notify: () => {
          throw thrown;
        },
      },
      { supervision: QUICK },
    );
    const peer = await eventually(() => peerOf({ path }));
    actor.send('x');
    await peer.seesEnd();
    await eventually(() => expect(stage.restarts).to.have.length(1));
    expect(stage.crashes.map(({ error }) => error)).to.deep.equal([thrown]);
    expect(ended).to.deep.equal([]);
    await eventually(() => expect(servers).to.have.length(2));
    const next = await peerOf({ path });
    next.socket.write('x');
    expect((await next.receives(2)).toString()).to.equal('ok');
  });

  it('a client is closed with its actor, and a context that is gone takes no more', async () => {
    const stage = await start();
    const recorder = new Recorder();
    let server!: TcpServer;
    await stage.play({
      started: (context) => {
        server = new TcpServer(context, { address: '127.0.0.1:0' }, recorder);
        server.listen();
      },
    });
    await eventually(() => expect(server.isListening).to.equal(true));
    let client!: TcpClient;
    let gone!: ActorContext;
    const actor = await stage.play({
      started: (context) => {
        gone = context;
        const address = server.localAddress as { path: string };
        client = new TcpClient(context, { address }, { onData: () => undefined });
        client.connect();
      },
    });
    await eventually(() => expect(client.state).to.equal('open'));
    await actor.stop();
    expect(client.state).to.equal('closed');
    await eventually(() => expect(recorder.of(1).at(-1)).to.equal('disconnect 1 ended'));
    const build = () => new TcpServer(gone, { address: ':0' }, recorder);
    expect(await rejectionOf(Promise.resolve().then(build))).to.have.property(
      'code',
      'ERR_ACTOR_STOPPED',
    );
  });
});
