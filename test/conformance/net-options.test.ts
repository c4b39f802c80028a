/** Rule N7: every option of servers and clients does what it says. */
import { constants } from 'node:os';
import { expect } from 'chai';
import type { Driver } from '../../src/index.js';
import { TcpServer } from '../../src/net/index.js';
import { SocketOption } from '../../src/poll/driver.js';
import { nativeDriver } from '../../src/poll/native-driver.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { abstractName, describeNet, Recorder } from '../support/net.js';

leavesNothingBehind();

const QUIET = { onData: () => undefined };

type SetOption = typeof nativeDriver.io.setOption;

/** The native driver, with an eye on the options of sockets. */
function watchingOptions(): { driver: Driver; options: [number, number][] } {
  const options: [number, number][] = [];
  const setOption: SetOption = (handle, option, value) => {
    options.push([option, value]);
    return nativeDriver.io.setOption(handle, option, value);
  };
  const io = Object.create(nativeDriver.io, { setOption: { value: setOption } });
  return { driver: { ...nativeDriver, io }, options };
}

describeNet('options', (stage) => {
  it('N7: noDelay and keepAliveMs set the options of TCP sockets', async () => {
    const { driver, options } = watchingOptions();
    const usual = stage.serve(QUIET, {}, stage.running({ driver }));
    await stage.peer(usual);
    await eventually(() => expect(usual.connectionCount).to.equal(1));
    const expected = [
      [SocketOption.NO_DELAY, 1],
      [SocketOption.KEEP_ALIVE_MS, 60_000],
    ];
    expect(options).to.deep.equal(stage.isUnix ? [] : expected);
    options.length = 0;
    const config = { noDelay: false, keepAliveMs: 0 };
    const other = stage.serve(QUIET, config, stage.running({ driver }));
    await stage.peer(other);
    await eventually(() => expect(other.connectionCount).to.equal(1));
    expect(options).to.deep.equal([]);
    const third = stage.serve(QUIET, { keepAliveMs: 1500 }, stage.running({ driver }));
    await stage.peer(third);
    await eventually(() => expect(third.connectionCount).to.equal(1));
    if (!stage.isUnix) expect(options).to.deep.include([SocketOption.KEEP_ALIVE_MS, 1500]);
  });

  it('N7: idleTimeoutMs ends what is quiet, not before and not much later', async () => {
    // A stall of the thread stops peers and server alike, and must not be as long.
    const idleTimeoutMs = 800;
    const endsMs: number[] = [];
    const recorder = new Recorder();
    const server = stage.serve(
      {
        ...QUIET,
        onDisconnect: (_, id, reason) => {
          endsMs[id] = performance.now();
          recorder.onDisconnect(_, id, reason);
        },
      },
      { idleTimeoutMs },
    );
    const startMs = performance.now();
    const [quiet, busy] = await stage.peers(server, 2);
    await eventually(() => expect(server.connectionCount).to.equal(2));
    let lastMs = 0;
    const traffic = setInterval(() => {
      lastMs = performance.now();
      busy.socket.write('x');
    }, 10);
    await quiet.seesEnd();
    expect(endsMs[1] - startMs).to.be.within(idleTimeoutMs, idleTimeoutMs + 2000);
    await eventually(() => expect(performance.now() - startMs).to.be.above(2 * idleTimeoutMs));
    expect(server.connectionCount).to.equal(1);
    clearInterval(traffic);
    await busy.seesEnd();
    expect(endsMs[2] - lastMs).to.be.at.least(idleTimeoutMs);
    expect(recorder.events).to.deep.equal(['disconnect 1 idle', 'disconnect 2 idle']);
  });

  it('L2: what comes in while another is found idle keeps its connection', async () => {
    let skewMs = 0;
    const driver: Driver = {
      ...nativeDriver,
      now: () => nativeDriver.now() + skewMs,
      nowOrLater: () => nativeDriver.nowOrLater() + skewMs,
    };
    const loop = stage.loop({ driver });
    const recorder = new Recorder();
    const server = stage.serve(recorder, { idleTimeoutMs: 400_000 }, loop);
    void loop.run({ notify: (_, act) => (act as () => void)() });
    await stage.peer(server);
    await eventually(() => expect(server.connectionCount).to.equal(1));
    skewMs = 100_000;
    const second = await stage.peer(server);
    await eventually(() => expect(server.connectionCount).to.equal(2));
    recorder.events.length = 0;
    // The first is due when the tick takes its sample, the second only when its byte waits.
    skewMs = 450_000;
    loop.channel().send(() => {
      second.socket.write('x');
      skewMs = 600_000;
    });
    await eventually(() => expect(recorder.events).to.have.length(2));
    expect(recorder.events).to.deep.equal(['disconnect 1 idle', 'data 2 x']);
  });

  it('N7: what the kernel takes is a sign of life as well', async () => {
    const server = stage.serve(QUIET, { idleTimeoutMs: 800 });
    const peer = await stage.peer(server);
    await eventually(() => expect(server.connectionCount).to.equal(1));
    const startMs = performance.now();
    const traffic = setInterval(() => server.sendTo(1, 'x'), 10);
    await eventually(() => expect(performance.now() - startMs).to.be.above(1600));
    expect(server.connectionCount).to.equal(1);
    clearInterval(traffic);
    await peer.seesEnd();
  });

  it('N7: a name that does not exist is refused, with the right spelling', () => {
    const loop = stage.loop();
    const address = stage.address();
    const wrong = { address, idleTimeout: 1 } as unknown as { address: typeof address };
    expect(() => new TcpServer(loop, wrong, QUIET))
      .to.throw(TypeError, 'use idleTimeoutMs')
      .with.property('code', 'ERR_UNKNOWN_OPTION');
    expect(loop.metrics().pendingTimers).to.equal(0);
  });

  it('N7: a low mark above the high one is refused; a high one below the default lowers it', () => {
    const loop = stage.loop();
    const address = stage.address();
    const marks = { highWaterMarkBytes: 10, lowWaterMarkBytes: 11 };
    expect(() => new TcpServer(loop, { address, ...marks }, QUIET)).to.throw(RangeError);
    void new TcpServer(loop, { address, highWaterMarkBytes: 10 }, QUIET).stop();
  });

  it('a second listen() is refused, and an address in use is told by listen()', async () => {
    const server = stage.serve(QUIET);
    expect(() => server.listen())
      .to.throw()
      .with.property('code', 'ERR_SERVER_LISTENING');
    const address = server.localAddress as { path: string };
    const loop = stage.loop();
    const second = new TcpServer(loop, { address }, QUIET);
    expect(second.localAddress).to.equal(null);
    expect(() => second.listen())
      .to.throw()
      .with.property('code', 'EADDRINUSE');
    expect(loop.metrics().sources).to.equal(0);
    await second.stop();
    await stage.peer(server);
    await eventually(() => expect(server.connectionCount).to.equal(1));
  });

  it('S7: for want of descriptors it waits, does not spin, and goes on', async () => {
    let isScarce = false;
    let failures = 0;
    const EMFILE = -constants.errno.EMFILE;
    const accept = (handle: number) => {
      if (!isScarce) return nativeDriver.io.accept(handle);
      failures += 1;
      return EMFILE;
    };
    const probe = () => (isScarce ? EMFILE : nativeDriver.io.probe());
    const io = Object.create(nativeDriver.io, {
      accept: { value: accept },
      probe: { value: probe },
    });
    const recorder = new Recorder();
    recorder.onData = (context: unknown, id) => void (context as TcpServer).sendTo(id, 'ok');
    const loop = stage.running({ driver: { ...nativeDriver, io } });
    const server = stage.serve(recorder, {}, loop);
    const before = await stage.peer(server);
    await eventually(() => expect(server.connectionCount).to.equal(1));
    isScarce = true;
    await stage.peer(server);
    await eventually(() => expect(failures).to.be.above(0));
    const startMs = performance.now();
    await eventually(() => expect(performance.now() - startMs).to.be.above(200));
    expect(failures).to.be.below(10);
    before.socket.write('x');
    await before.receives(2);
    isScarce = false;
    await eventually(() => expect(server.connectionCount).to.equal(2), 1000);
    expect(recorder.errors).to.deep.equal([]);
  });

  it('S7: any other failure of accept() is told, and does not spin either', async () => {
    let failures = 0;
    const accept = () => {
      failures += 1;
      return -constants.errno.EINVAL;
    };
    const io = Object.create(nativeDriver.io, { accept: { value: accept } });
    const recorder = new Recorder();
    const server = stage.serve(recorder, {}, stage.running({ driver: { ...nativeDriver, io } }));
    await stage.peer(server);
    await eventually(() => expect(recorder.errors.length).to.be.above(1));
    expect(recorder.errors[0].id).to.equal(null);
    expect(recorder.errors[0].error).to.include({ code: 'EINVAL', syscall: 'accept' });
    const startMs = performance.now();
    const before = failures;
    await eventually(() => expect(performance.now() - startMs).to.be.above(200));
    expect(failures - before).to.be.below(20);
  });
});

describeNet(
  'options of TCP',
  (stage) => {
    it('N7: reusePort lets several servers share a port, and nothing else does', async () => {
      const loop = stage.running();
      const first = stage.serve(QUIET, { reusePort: true }, loop);
      const { port } = first.localAddress as { port: number };
      const address = { host: '127.0.0.1', port };
      const second = stage.serve(QUIET, { address, reusePort: true }, loop);
      const alone = new TcpServer(loop, { address }, QUIET);
      expect(() => alone.listen())
        .to.throw()
        .with.property('code', 'EADDRINUSE');
      await Promise.all([first.stop(), second.stop(), alone.stop()]);
    });
  },
  ['TCP'],
);

describeNet(
  'options of Unix sockets',
  (stage) => {
    it('N7: reusePort is refused, which would mean nothing', () => {
      const config = { address: stage.address(), reusePort: true };
      expect(() => new TcpServer(stage.loop(), config, QUIET))
        .to.throw(TypeError)
        .with.property('code', 'ERR_INVALID_ARG_VALUE');
    });

    if (process.platform === 'linux') {
      it('an abstract name does as well', async () => {
        const server = stage.serve(
          { onData: (context, id, data) => void context.sendTo(id, data) },
          { address: { path: abstractName() } },
        );
        // Of ours, since node:net knows abstract names in some versions only.
        let text = '';
        const client = stage.connect(
          {
            onData: (_, data) => {
              text += Buffer.from(data).toString();
            },
          },
          { address: server.localAddress as { path: string } },
        );
        client.send('hello');
        await eventually(() => expect(text).to.equal('hello'));
        await server.stop();
      });
    }
  },
  ['Unix'],
);
