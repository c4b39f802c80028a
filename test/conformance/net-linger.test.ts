/**
 * The end of a connection whose peer has not ended. A socket that is closed
 * with unread bytes in it resets the connection, and the peer may lose what it
 * was sent last; so what is closed in order is closed when its peer has ended.
 */
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { ServerContext, TcpServer } from '../../src/net/index.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeNet, type Peer, Recorder } from '../support/net.js';

leavesNothingBehind();

const MIB = 1 << 20;

describeNet('the end of a connection', (stage) => {
  /** Sends an answer to who has sent much that the server has not read, and then ends it. */
  async function answerUnread(
    answer: Uint8Array,
    end: (server: TcpServer) => unknown,
  ): Promise<{ server: TcpServer; recorder: Recorder; peer: Peer }> {
    const recorder = new Recorder();
    const server = stage.serve({
      onConnect: (context, id) => void context.pauseReads(id),
      onData: recorder.onData.bind(recorder),
      onDisconnect: recorder.onDisconnect.bind(recorder),
      onError: recorder.onError.bind(recorder),
    });
    const peer = await stage.peer(server);
    await eventually(() => expect(server.connection(1)?.isPaused).to.equal(true));
    peer.socket.write(new Uint8Array(MIB));
    // Some of it is in the kernel's buffer of the server.
    await eventually(() => expect(peer.socket.bytesWritten).to.be.above(0));
    expect(server.sendTo(1, answer)).to.equal(true);
    void end(server);
    return { server, recorder, peer };
  }

  for (const [how, end] of Object.entries({
    'closeConnection()': (server: TcpServer) => server.closeConnection(1),
    'stop()': (server: TcpServer) => server.stop(),
  })) {
    for (const sizeBytes of [4096, 4 * MIB]) {
      it(`N3, N6: ${how} loses nothing of ${sizeBytes} bytes, whatever is unread`, async () => {
        const answer = randomBytes(sizeBytes);
        const { server, recorder, peer } = await answerUnread(answer, end);
        await eventually(() => expect(peer.closed).to.equal(true));
        expect(peer.error).to.equal(null);
        expect(peer.ended).to.equal(true);
        expect(peer.bytes.equals(answer)).to.equal(true);
        await eventually(() => expect(server.connectionCount).to.equal(0));
        expect(recorder.events).to.deep.equal(['disconnect 1 closed']);
      });
    }
  }

  it('an answer to one who goes on sending arrives whole', async () => {
    const answer = randomBytes(64 * 1024);
    const server = stage.serve({
      onData: (context: ServerContext, id) => {
        context.sendTo(id, answer);
        context.closeConnection(id);
      },
    });
    const peer = await stage.peer(server);
    const chunk = new Uint8Array(64 * 1024);
    const sendOn = () => {
      if (!peer.ended) peer.socket.write(chunk, sendOn);
    };
    sendOn();
    await eventually(() => expect(peer.closed).to.equal(true));
    expect({ error: peer.error, sizeBytes: peer.receivedBytes }).to.deep.equal({
      error: null,
      sizeBytes: answer.length,
    });
  });

  it('N4: the slot is taken until the peer has ended, and nothing is read or sent', async () => {
    const recorder = new Recorder();
    const server = stage.serve(recorder, { maxConnections: 1 });
    const peer = await stage.peer(server, { allowHalfOpen: true });
    await eventually(() => expect(server.connectionCount).to.equal(1));
    expect(server.closeConnection(1)).to.equal(true);
    expect(server.closeConnection(1)).to.equal(false);
    expect(server.sendTo(1, 'x')).to.equal(false);
    await peer.seesEnd();
    peer.socket.write('nobody reads that');
    const extra = await stage.peer(server);
    await extra.seesEnd();
    expect(recorder.errors[0].error.code).to.equal('ERR_MAX_CONNECTIONS');
    expect(server.connectionCount).to.equal(1);
    peer.socket.end();
    await eventually(() => expect(server.connectionCount).to.equal(0));
    expect(recorder.of(1)).to.deep.equal(['connect 1', 'disconnect 1 closed']);
    await stage.peer(server);
    await eventually(() => expect(recorder.of(2)).to.deep.equal(['connect 2']));
  });

  it('N4: a peer that has ended, or resets, is not waited for', async () => {
    const recorder = new Recorder();
    const server = stage.serve(recorder);
    const ended = await stage.peer(server, { allowHalfOpen: true });
    await eventually(() => expect(server.pauseReads(1)).to.equal(true));
    ended.socket.end();
    await eventually(() => expect(ended.socket.writableFinished).to.equal(true));
    server.closeConnection(1);
    await eventually(() => expect(server.connectionCount).to.equal(0));
    const resetting = await stage.peer(server, { allowHalfOpen: true });
    await eventually(() => expect(server.closeConnection(2)).to.equal(true));
    resetting.reset();
    await eventually(() => expect(server.connectionCount).to.equal(0));
    expect(recorder.errors).to.deep.equal([]);
    expect(recorder.events.at(-1)).to.equal('disconnect 2 closed');
  });

  it('N7: a peer that does nothing is given up, and before that by idleTimeoutMs', async () => {
    for (const [idleTimeoutMs, leastMs] of [
      [0, 2000],
      [100, 100],
    ]) {
      const server = stage.serve({ onData: () => undefined }, { idleTimeoutMs });
      await stage.peer(server, { allowHalfOpen: true });
      await eventually(() => expect(server.closeConnection(1)).to.equal(true));
      const startMs = performance.now();
      await eventually(() => expect(server.connectionCount).to.equal(0));
      expect(performance.now() - startMs).to.be.within(leastMs - 20, leastMs + 2000);
    }
  });

  it('N6: stop() waits for a peer that does nothing up to its deadline', async () => {
    const recorder = new Recorder();
    const server = stage.serve(recorder);
    await stage.peer(server, { allowHalfOpen: true });
    await eventually(() => expect(server.connectionCount).to.equal(1));
    const startMs = performance.now();
    await server.stop({ timeoutMs: 50 });
    expect(performance.now() - startMs).to.be.within(49, 1500);
    expect(recorder.of(1)).to.deep.equal(['connect 1', 'disconnect 1 closed']);
  });
});
