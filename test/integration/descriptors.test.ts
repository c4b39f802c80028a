/**
 * Descriptors that are passed, taken over, and lost on the way.
 *
 * Goal: however a passing ends, each descriptor has one owner on each side, and
 * none is left open without one. The tests count what /proc shows.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import {
  EventLoop,
  FdSource,
  Interest,
  pipe,
  UdpSocket,
  UnixDatagram,
  UnixListener,
  UnixStream,
} from '../../src/index.js';
import { binding } from '../../src/poll/binding.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { descriptorCount } from '../support/proc.js';
import { Fixture } from '../support/processes.js';
import { awaitReady, bytes, closingAfterEach, readText } from '../support/sockets.js';
import { thrownBy } from '../support/thrown.js';
import { abstractName, acceptUnix, Paths, unixStreams } from '../support/unix.js';

leavesNothingBehind();

const DEADLINE_MS = 8000;
const PASSINGS = 1000;
const PATH_MAX = process.platform === 'linux' ? 107 : 103;
const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const buffer = Buffer.alloc(64);

describe('passing descriptors', () => {
  const own = closingAfterEach();
  afterEach(() => binding.clearFaults());

  it('a thousand times, with errors in between, leaves the count as it was', () => {
    const [left, right] = unixStreams(own);
    const before = descriptorCount(process.pid);
    const counts = { passed: 0, lost: 0, dropped: 0, refused: 0 };
    for (let n = 0; n < PASSINGS; n++) {
      const [reader, writer] = pipe();
      if (n % 11 === 0) {
        reader.close();
        expect(thrownBy(() => left.sendFd(bytes('x'), reader)).code).to.equal('ERR_SOURCE_CLOSED');
        counts.refused += 1;
      } else if (n % 7 === 0) {
        left.sendFd(bytes('x'), reader);
        binding.injectFault('fcntl', 1 + (n % 2), 1, constants.errno.ENOMEM);
        expect(right.recvFd(buffer)).to.deep.equal({ size: 1, source: null, lost: true });
        binding.clearFaults();
        counts.lost += 1;
      } else if (n % 5 === 0) {
        // Bytes that are read without recvFd() lose what came with them.
        left.sendFd(bytes('x'), reader);
        expect(right.read(buffer)).to.equal(1);
        counts.dropped += 1;
      } else {
        left.sendFd(bytes('x'), reader);
        reader.close();
        writer.write(bytes(String(n)));
        using source = right.recvFd(buffer)!.source!;
        expect(readText(source)).to.equal(String(n));
        counts.passed += 1;
      }
      reader.close();
      writer.close();
      expect(descriptorCount(process.pid)).to.equal(before);
    }
    expect(counts.passed + counts.lost + counts.dropped + counts.refused).to.equal(PASSINGS);
    expect(Math.min(...Object.values(counts))).to.be.above(50);
  });

  it('what was sent and never received is closed with the streams', () => {
    const before = descriptorCount(process.pid);
    const [left, right] = UnixStream.pair();
    const [reader, writer] = pipe();
    for (let n = 0; n < 50; n++) expect(left.sendFd(bytes('x'), reader)).to.equal(1);
    reader.close();
    expect(writer.write(bytes('still read by somebody'))).to.equal(22);
    left.close();
    right.close();
    expect(thrownBy(() => writer.write(bytes('x'))).code).to.equal('EPIPE');
    writer.close();
    expect(descriptorCount(process.pid)).to.equal(before);
  });

  it('bytes with different descriptors come one by one, those without with null', () => {
    const [left, right] = unixStreams(own);
    const [reader, writer] = pipe().map(own);
    left.write(bytes('a'));
    left.sendFd(bytes('b'), reader);
    left.sendFd(bytes('c'), writer);
    left.write(bytes('d'));
    const got: [number, boolean][] = [];
    for (let message = right.recvFd(buffer); message !== null; message = right.recvFd(buffer)) {
      if (message.source !== null) own(message.source);
      got.push([message.size, message.source !== null]);
    }
    expect(got.reduce((total, [size]) => total + size, 0)).to.equal(4);
    expect(got.filter(([, hasSource]) => hasSource).length).to.equal(2);
  });

  it('the end of the stream is size 0, without a descriptor', () => {
    const [left, right] = unixStreams(own);
    left.close();
    expect(right.recvFd(buffer)).to.deep.equal({ size: 0, source: null, lost: false });
    expect(thrownBy(() => right.sendFd(bytes('x'), right)).code).to.equal('EPIPE');
  });

  it('a descriptor does not travel alone, and needs room to arrive', () => {
    const [left, right] = unixStreams(own);
    for (const attempt of [
      () => left.sendFd(bytes(''), right),
      () => right.recvFd(new Uint8Array(0)),
    ]) {
      expect(thrownBy(attempt)).to.be.instanceOf(RangeError);
      expect(thrownBy(attempt).code).to.equal('ERR_OUT_OF_RANGE');
    }
  });

  it('what arrives is close-on-exec and non-blocking, whatever it was', function () {
    if (process.platform !== 'linux') this.skip();
    const [left, right] = unixStreams(own);
    const file = openSync('/dev/zero', 'r');
    const given = own(new FdSource(file));
    left.sendFd(bytes('x'), given);
    const taken = own(right.recvFd(buffer)!.source!);
    for (const source of [given, taken]) {
      expect(source.handle).to.be.above(2);
      const info = readFileSync(`/proc/self/fdinfo/${source.handle}`, 'utf8');
      const flags = Number.parseInt(/flags:\s*(\d+)/.exec(info)![1], 8);
      expect(flags & O_CLOEXEC, 'O_CLOEXEC').to.not.equal(0);
      expect(flags & O_NONBLOCK, 'O_NONBLOCK').to.not.equal(0);
    }
  });

  it('a child process does not inherit any of it', function () {
    if (process.platform !== 'linux') this.skip();
    const inherited = () =>
      spawnSync('ls', ['/proc/self/fd'], { encoding: 'utf8' }).stdout.trim().split('\n').length;
    const before = inherited();
    const [left, right] = unixStreams(own);
    for (const source of pipe().map(own)) {
      left.sendFd(bytes('x'), source);
      own(right.recvFd(buffer)!.source!);
    }
    own(UnixDatagram.unbound());
    expect(inherited()).to.equal(before);
  });
});

describe('a worker thread that ends', () => {
  it('closes what it had opened, received and taken over', async function () {
    this.timeout(2 * DEADLINE_MS);
    const run = async () => {
      const worker = new Worker(new URL('../fixtures/left-open.js', import.meta.url));
      const [code] = (await once(worker, 'exit')) as [number];
      expect(code).to.equal(0);
    };
    // What Node opens with its first workers stays.
    await run();
    const before = descriptorCount(process.pid);
    for (let round = 0; round < 5; round++) await run();
    await eventually(() => expect(descriptorCount(process.pid)).to.equal(before));
  });
});

describe('a pipe that nobody reads', () => {
  it('S8: is EPIPE and never SIGPIPE, on every thread', async function () {
    if (process.platform !== 'linux') this.skip();
    await using child = new Fixture('broken-pipe');
    const report = await child.report(DEADLINE_MS);
    expect(await child.end(DEADLINE_MS)).to.include({ code: 0, signal: null, stderr: '' });
    expect(report).to.deep.equal({ isDeadly: true, here: ['EPIPE'], there: ['EPIPE'] });
  });
});

describe('FdSource', () => {
  const own = closingAfterEach();

  it('owns the descriptor: close() closes it, once', () => {
    const fd = openSync('/dev/null', 'r+');
    const source = new FdSource(fd);
    expect(fstatSync(fd).isCharacterDevice()).to.equal(true);
    source.close();
    source.close();
    expect(thrownBy(() => fstatSync(fd)).code).to.equal('EBADF');
  });

  it('of what is not open is EBADF, of what a source owns EEXIST', () => {
    const fd = openSync('/dev/null', 'r');
    closeSync(fd);
    expect(thrownBy(() => new FdSource(fd))).to.include({ code: 'EBADF', syscall: 'fcntl' });
    expect(thrownBy(() => new FdSource(1 << 30))).to.include({ code: 'EBADF' });
    const udp = own(UdpSocket.bind('127.0.0.1:0'));
    expect(thrownBy(() => new FdSource(udp.handle))).to.include({ code: 'EEXIST' });
    expect(udp.localAddress.family).to.equal('IPv4');
  });

  it('of a file reads and writes, and is refused by register() with advice', () => {
    using paths = new Paths();
    using loop = new EventLoop();
    const path = paths.next();
    const directory = paths.next();
    writeFileSync(path, 'content');
    mkdirSync(directory);
    using file = new FdSource(openSync(path, 'r+'));
    using folder = new FdSource(openSync(directory, 'r'));
    expect(readText(file)).to.equal('content');
    expect(file.write(bytes(' and more'))).to.equal(9);
    expect(readFileSync(path, 'utf8')).to.equal('content and more');
    for (const source of [file, folder]) {
      const error = thrownBy(() => loop.register(source, 1));
      expect(error).to.include({ code: 'EPERM', syscall: 'register' });
      expect(error.message).to.include('use node:fs');
    }
    expect(thrownBy(() => folder.read(buffer)).code).to.equal('EISDIR');
  });

  it('tells of a descriptor that is open for one direction only', () => {
    using source = new FdSource(openSync('/dev/null', 'r'));
    expect(thrownBy(() => source.write(bytes('x')))).to.include({ code: 'EBADF' });
  });
});

describe('addresses of Unix sockets', () => {
  const own = closingAfterEach();
  const open = [
    ['UnixListener.bind', (path: string) => UnixListener.bind(path)],
    ['UnixDatagram.bind', (path: string) => UnixDatagram.bind(path)],
  ] as const;

  for (const [name, bind] of open) {
    it(`${name}: a path of ${PATH_MAX} bytes fits, one more does not`, () => {
      const paths = own(new Paths());
      const start = `${paths.next()}-`;
      const fitting = start.padEnd(PATH_MAX, 'p');
      expect(own(bind(fitting)).localAddress).to.deep.equal({ path: fitting });
      const error = thrownBy(() => bind(`${fitting}p`));
      expect(error).to.be.instanceOf(RangeError);
      expect(error.code).to.equal('ERR_INVALID_ADDRESS');
      expect(error.message).to.include(`at most ${PATH_MAX} bytes`);
      // Bytes count, not characters.
      expect(thrownBy(() => bind(fitting.replace(/pp$/, 'p\u00e9'))).code).to.equal(
        'ERR_INVALID_ADDRESS',
      );
    });

    it(`${name}: what is in use is EADDRINUSE with the path, also after close()`, () => {
      const paths = own(new Paths());
      const path = paths.next();
      bind(path).close();
      const error = thrownBy(() => bind(path));
      expect(error).to.include({ code: 'EADDRINUSE', address: path });
      expect(error.message).to.include(path);
    });

    it(`${name}: what cannot be a path says why`, () => {
      const reasons: [unknown, string][] = [
        ['', 'empty'],
        ['/tmp/a\0b', 'null byte'],
        [{ path: null }, 'without a name'],
      ];
      for (const [path, reason] of reasons) {
        const error = thrownBy(() => bind(path as string));
        expect(error).to.be.instanceOf(TypeError);
        expect(error.code).to.equal('ERR_INVALID_ADDRESS');
        expect(error.message).to.include(reason);
      }
    });
  }

  it('abstract names take all 108 bytes, and leave nothing behind', function () {
    if (process.platform !== 'linux') this.skip();
    const name = abstractName().padEnd(108, 'n');
    for (let round = 0; round < 2; round++) {
      using listener = UnixListener.bind(name);
      expect(listener.localAddress).to.deep.equal({ path: name });
      using client = UnixStream.connect({ path: name });
      using server = acceptUnix(listener);
      expect(server.peerAddress).to.deep.equal({ path: null });
      expect(client.peerAddress).to.deep.equal({ path: name });
    }
    const error = thrownBy(() => UnixStream.connect(name));
    expect(error).to.include({ code: 'ECONNREFUSED', address: name });
    expect(error.message).to.include(`@${name.slice(1)}`);
    expect(thrownBy(() => UnixListener.bind(`${name}n`))).to.be.instanceOf(RangeError);
  });

  it('S6: connect() throws at once what is wrong with the path', () => {
    const paths = own(new Paths());
    const path = paths.next();
    expect(thrownBy(() => UnixStream.connect(path))).to.include({
      code: 'ENOENT',
      syscall: 'connect',
      address: path,
    });
    UnixListener.bind(path).close();
    expect(thrownBy(() => UnixStream.connect(path)).code).to.equal('ECONNREFUSED');
    const sender = own(UnixDatagram.unbound());
    expect(thrownBy(() => sender.connect(paths.next())).code).to.equal('ENOENT');
    expect(thrownBy(() => sender.sendTo(bytes('x'), paths.next())).code).to.equal('ENOENT');
  });

  it('S6: connect() to a full backlog throws EAGAIN, and works once there is room', function () {
    if (process.platform !== 'linux') this.skip();
    const paths = own(new Paths());
    const listener = own(UnixListener.bind(paths.next(), { backlog: 1 }));
    const connect = () => own(UnixStream.connect(listener.localAddress));
    const waiting = [connect(), connect()];
    expect(thrownBy(connect)).to.include({ code: 'EAGAIN', syscall: 'connect' });
    for (let i = 0; i < waiting.length; i++) own(acceptUnix(listener));
    connect();
  });

  it('a connected datagram socket hears its peer alone', () => {
    const paths = own(new Paths());
    const [server, client, stranger] = [1, 2, 3].map(() => own(UnixDatagram.bind(paths.next())));
    client.connect(server.localAddress);
    expect(client.peerAddress).to.deep.equal(server.localAddress);
    client.send(bytes('question'));
    awaitReady(server, Interest.READABLE);
    const { address, size } = server.recvFrom(buffer)!;
    expect(address).to.deep.equal(client.localAddress);
    server.sendTo(buffer.subarray(0, size), address);
    expect(client.recv(buffer)).to.equal(8);
    expect(thrownBy(() => stranger.sendTo(bytes('x'), address)).code).to.equal('EPERM');
    expect(thrownBy(() => stranger.peerAddress).code).to.equal('ENOTCONN');
  });
});
