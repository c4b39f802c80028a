/**
 * What programs written for mill-io and mill-net, up to 4.0, rely on, where it
 * goes by another way here: `docs/parity.md` names these tests.
 */
import { expect } from 'chai';
import { EventLoop, type Handler, pipe } from '../../src/index.js';
import type { TcpServer } from '../../src/net/index.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { describeWays } from '../support/loops.js';
import { sendFromThread } from '../support/messengers.js';
import { describeNet, Recorder } from '../support/net.js';
import { closingAfterEach } from '../support/sockets.js';

leavesNothingBehind();

describeWays('programs of mill-io', (way) => {
  it('a stop sent by another thread before the run ends it; another run goes on', async () => {
    const loop = way.open<string>();
    await sendFromThread(loop, ['stop', 'later']);
    const got: string[] = [];
    const stopping: Handler<string> = {
      notify: (l, message) => {
        got.push(message);
        if (message !== 'last') l.shutdown();
      },
      tick: (l) => {
        if (got.includes('last')) l.shutdown();
      },
    };
    await way.drive(loop, stopping);
    expect(got).to.include('stop');
    await sendFromThread(loop, ['last']);
    await way.drive(loop, stopping);
    expect(got).to.deep.equal(['stop', 'later', 'last']);
  });

  it('what is posted to the loop is called there, in order, also from a callback', async () => {
    type Task = (loop: EventLoop<Task>) => void;
    const loop = way.open<Task>();
    const sender = loop.channel();
    const calls: number[] = [];
    for (const number of [1, 2]) sender.send(() => void calls.push(number));
    sender.send((l) => {
      calls.push(3);
      sender.send(() => void calls.push(5));
      sender.send(() => l.shutdown());
      calls.push(4);
    });
    expect(calls).to.deep.equal([]);
    await way.drive(loop, { notify: (l, task) => task(l) });
    expect(calls).to.deep.equal([1, 2, 3, 4, 5]);
  });

  it('an interval that its own callback clears, among others, never comes again', async () => {
    const loop = way.open<unknown, string>();
    const once = loop.interval('once', 2);
    const until = loop.interval('until', 1);
    const counts = { once: 0, until: 0 };
    await way.drive(loop, {
      timeout: (l, name) => {
        counts[name as keyof typeof counts] += 1;
        if (name === 'once') expect(l.clearTimeout(once)).to.equal(true);
        if (counts.until < 10) return;
        l.clearTimeout(until);
        l.shutdown();
      },
    });
    expect(counts.once).to.equal(1);
    expect(counts.until).to.equal(10);
  });
});

describe('what an event costs', () => {
  const own = closingAfterEach();

  it('defect 14: an event takes no memory of its own', () => {
    const loop = own(new EventLoop());
    const [reader, writer] = pipe();
    own(reader);
    own(writer);
    writer.write(new Uint8Array(1));
    loop.register(reader, 1);
    let count = 0;
    const handler = { ready: () => void (count += 1) };
    const bytesEach = (events: number) => {
      const before = process.memoryUsage().heapUsed;
      for (let index = 0; index < events; index++) loop.runOnce(handler, 0);
      return (process.memoryUsage().heapUsed - before) / events;
    };
    // At first it is not compiled, and allocates more; a collection makes it less than none.
    const rounds = Array.from({ length: 10 }, () => bytesEach(5000)).filter((bytes) => bytes >= 0);
    expect(Math.min(...rounds)).to.be.below(100);
    expect(count).to.equal(50_000);
  });

  it('a loop does not leave its thread: of what crosses, none is a loop', () => {
    const loop = own(new EventLoop());
    expect(structuredClone(loop)).to.deep.equal({});
    expect(structuredClone({ loop }).loop).to.not.be.an.instanceOf(EventLoop);
  });
});

/** What another thread may want of a connection. */
interface Order {
  act: 'send' | 'pause' | 'resume' | 'close';
  id: number;
  text?: string;
}

/** The handler of a loop whose server takes orders from anywhere. */
function obeying(server: () => TcpServer): Handler<Order> {
  return {
    notify: (_, { act, id, text = '' }) => {
      if (act === 'send') server().sendTo(id, text);
      else if (act === 'pause') server().pauseReads(id);
      else if (act === 'resume') server().resumeReads(id);
      else server().closeConnection(id);
    },
  };
}

describeNet('programs of mill-net', (stage) => {
  it('another thread sends to a connection, pauses, resumes and closes it', async () => {
    const loop = stage.loop() as EventLoop<Order>;
    const recorder = new Recorder();
    const server = stage.serve(recorder, {}, loop);
    void loop.run(obeying(() => server));
    const peer = await stage.peer(server);
    await eventually(() => expect(recorder.of(1)).to.have.length(1));
    await sendFromThread(loop, [
      { act: 'pause', id: 1 },
      { act: 'send', id: 1, text: 'paused' },
    ]);
    expect((await peer.receives(6)).toString()).to.equal('paused');
    peer.socket.write('answer');
    expect(server.connection(1)?.isPaused).to.equal(true);
    await sendFromThread(loop, [{ act: 'send', id: 1, text: ', still' }]);
    expect((await peer.receives(13)).toString()).to.equal('paused, still');
    expect(recorder.of(1)).to.deep.equal(['connect 1']);
    await sendFromThread(loop, [{ act: 'resume', id: 1 }]);
    await eventually(() => expect(recorder.of(1)).to.include('data 1 answer'));
    await sendFromThread(loop, [
      { act: 'send', id: 1, text: ', bye' },
      { act: 'close', id: 1 },
      { act: 'send', id: 1, text: 'too late' },
    ]);
    await peer.seesEnd();
    expect(peer.text).to.equal('paused, still, bye');
    // The peer has seen the end; that it has ended its half in turn is yet to be heard.
    await eventually(() => expect(recorder.of(1).at(-1)).to.equal('disconnect 1 closed'));
  });

  it('a client that goes out of scope closes its connection', async () => {
    const peers: { ended: boolean }[] = [];
    const { address } = await stage.foreignServer((socket) => {
      const peer = { ended: false };
      peers.push(peer);
      socket.on('data', () => undefined);
      socket.on('end', () => {
        peer.ended = true;
        socket.end();
      });
    });
    {
      using client = stage.connect({ onData: () => undefined }, { address });
      await eventually(() => expect(client.state).to.equal('open'));
      await eventually(() => expect(peers).to.have.length(1));
      expect(peers).to.deep.equal([{ ended: false }]);
    }
    await eventually(() => expect(peers).to.deep.equal([{ ended: true }]));
  });

  it('what is no connection is told by a result, and is no error', async () => {
    const recorder = new Recorder();
    const server = stage.serve(recorder);
    const results = [
      server.sendTo(7, 'x'),
      server.closeConnection(7),
      server.pauseReads(7),
      server.resumeReads(7),
      server.connection(7),
      server.broadcast('x'),
    ];
    expect(results).to.deep.equal([false, false, false, false, undefined, 0]);
    await server.stop();
    expect(recorder.errors).to.deep.equal([]);
  });
});
