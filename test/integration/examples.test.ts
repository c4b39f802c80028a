/**
 * The examples do what their headers say. Each runs as a process of its own;
 * the echo server is tried with clients of node:net, which share no code with it.
 */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket as UdpClient } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { eventually } from '../support/eventually.js';
import { Program } from '../support/program.js';
import { Paths } from '../support/unix.js';

const MIB = 1024 * 1024;

describe('examples', function () {
  this.timeout(10_000);

  let programs: Program[] = [];

  function start(name: string, args: readonly string[] = []): Program {
    const program = new Program(`examples/${name}.js`, args);
    programs.push(program);
    return program;
  }

  async function outputOf(name: string): Promise<string[]> {
    const { code, stdout, stderr } = await start(name).end();
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    return stdout.split('\n');
  }

  /** The directory that was made for the path in this line is gone again. */
  function expectRemoved(line: string, pattern: RegExp): void {
    const [, path = ''] = pattern.exec(line) ?? [];
    expect(path).to.not.equal('');
    expect(existsSync(dirname(path))).to.equal(false);
  }

  afterEach(async () => {
    await Promise.all(programs.map((program) => program.destroy()));
    programs = [];
  });

  it('01-hello prints the message that was sent before the loop ran', async () => {
    expect(await outputOf('01-hello')).to.deep.equal(['Hello', '']);
  });

  it('02-counter keeps a running total of the messages, in order', async () => {
    expect(await outputOf('02-counter')).to.deep.equal([
      'Message: 0, Total: 0',
      'Message: 1, Total: 1',
      'Message: 2, Total: 3',
      'Message: 3, Total: 6',
      'Message: 4, Total: 10',
      '',
    ]);
  });

  it('03-bear takes all datagrams, then one unit off every 250 ms, down to 0', async () => {
    const startMs = performance.now();
    const lines = await outputOf('03-bear');
    const increments = [0, 1, 3, 6, 10].map((total, n) => `Increment by: ${n}, Total: ${total}`);
    const decrements = Array.from({ length: 10 }, (_, n) => [
      'Timeout',
      `Decremented, Total: ${9 - n}`,
    ]);
    expect(lines).to.deep.equal([...increments, ...decrements.flat(), '']);
    expect(performance.now() - startMs).to.be.at.least(2500);
  });

  it('05-election-timer hears the heartbeat that came before the deadline', async () => {
    expect(await outputOf('05-election-timer')).to.deep.equal([
      'Heartbeat',
      'The thread was busy for 400 ms',
      'Heartbeat',
      'Nothing heard for 150 ms: standing for election',
      '',
    ]);
  });

  it('08-pass-a-descriptor answers a connection in another process than took it', async () => {
    expect(await outputOf('08-pass-a-descriptor')).to.deep.equal([
      'Front: accepted a connection, handing it over',
      'Worker: received a connection',
      'Client: received "Hello from the other process"',
      '',
    ]);
  });

  it('09-counter-actors asks two counters, and calls a method of one', async () => {
    expect(await outputOf('09-counter-actors')).to.deep.equal([
      'Apples: 10, pears: 0',
      'Reset apples at 10',
      'Apples: 1',
      '',
    ]);
  });

  it('10-supervised-crasher restarts twice, then stops', async () => {
    const crash = (decision: string) => [
      `Crash: RangeError: division by zero; ${decision}`,
      '100 / 0: RangeError: division by zero',
    ];
    expect(await outputOf('10-supervised-crasher')).to.deep.equal([
      'Started',
      '100 / 4 = 25',
      ...crash('restart'),
      'Restart 1, 20 ms',
      'Started',
      '100 / 5 = 20',
      ...crash('restart'),
      'Restart 2, 40 ms',
      'Started',
      '100 / 10 = 10',
      ...crash('stop'),
      'Ended: crashed',
      '',
    ]);
  });

  it('11-ping-pong plays a ball between two threads', async () => {
    const round = ['ping in shard 0', 'pong in shard 1'];
    expect(await outputOf('11-ping-pong')).to.deep.equal([...round, ...round, '']);
  });

  it('12-multicast-discovery tells each node of the others, at ports of their own', async () => {
    const lines = await outputOf('12-multicast-discovery');
    expect(lines.slice(-2)).to.deep.equal(['All know all', '']);
    const found = lines.slice(0, -2).map((line) => {
      const [, node, other, port] = /^(\w+) found (\w+) at port (\d+)$/.exec(line) ?? [];
      return { node, other, port };
    });
    const pairs = found.map(({ node, other }) => `${node} ${other}`);
    expect(pairs).to.have.members([
      'ada grace',
      'ada mary',
      'grace ada',
      'grace mary',
      'mary ada',
      'mary grace',
    ]);
    // Both who found a node were told the same port, and each node has one of its own.
    expect(new Set(found.map(({ other, port }) => `${other} ${port}`)).size).to.equal(3);
    expect(new Set(found.map(({ port }) => port)).size).to.equal(3);
  });

  it('13-unix-datagrams counts every increment, though the queue is often full', async () => {
    const [where = '', ...lines] = await outputOf('13-unix-datagrams');
    expect(lines.slice(0, 3)).to.have.members([
      'Answer: api 1500',
      'Answer: jobs 1500',
      'Answer: web 1500',
    ]);
    expect(lines.slice(3)).to.deep.equal(['api: 1500', 'jobs: 1500', 'web: 1500', 'all: 4500', '']);
    expectRemoved(where, /^Counting at (.+)$/);
  });

  it('14-pipe-and-named-pipe obeys writers in turn, and carries more than fits', async () => {
    const [where = '', ...lines] = await outputOf('14-pipe-and-named-pipe');
    // When the second command is refused, the line of the first may still be on its way.
    expect(lines).to.have.members([
      'Refused: dance',
      'Received 200000 characters: ababa',
      'Received 5 characters: ccccc',
      '',
    ]);
    expect(lines.slice(-2)).to.deep.equal(['Received 5 characters: ccccc', '']);
    expectRemoved(where, /^Commands: (.+)$/);
  });

  it('15-sharded-map finds each key in the part that it was put into', async () => {
    const [replaced, values, keys, another] = await outputOf('15-sharded-map');
    expect(replaced).to.equal('Replaced: 7998000');
    expect(values).to.equal('Values: 15996000');
    expect(keys).to.match(/^Keys: (\d{3} \+ ){7}\d{3} = 4000$/);
    expect(another).to.equal('Another key: null');
  });

  it('17-compute-pool shows the progress of the long task, then runs the most urgent', async () => {
    const lines = await outputOf('17-compute-pool');
    const quarters = [25, 50, 75, 100].map((share) => `primes below 300,000: ${share} %`);
    expect(lines.slice(0, -2)).to.deep.equal([
      ...quarters,
      '25997 of them',
      'Critical: 550 primes below 4000',
      'High: 430 primes below 3000',
      'Normal: 303 primes below 2000',
      'Low: 168 primes below 1000',
    ]);
    expect(lines.slice(-2)[0]).to.match(/^5 tasks, the longest took \d+ ms$/);
  });

  describe('16-echo-server-on-shards', () => {
    const name = '16-echo-server-on-shards/main';

    it('spreads connections over its threads, and echoes all of each', async () => {
      const server = start(name, ['127.0.0.1:0']);
      const port = Number((await server.waitFor(/Listening on 127\.0\.0\.1:(\d+)\n/))[1]);
      const echoes = Array.from({ length: 40 }, async () => {
        const data = randomBytes(100_000);
        const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
        client.end(data);
        return Buffer.concat(await client.toArray()).equals(data);
      });
      expect(await Promise.all(echoes)).to.deep.equal(new Array(40).fill(true));
      const idle = connect({ port, host: '127.0.0.1' });
      idle.write('here');
      await once(idle, 'data');
      const closed = once(idle.resume(), 'close');
      server.kill('SIGTERM');
      await closed;
      const { code, stdout, stderr } = await server.end();
      expect(stderr).to.equal('');
      const [, first, second] = /Connections: (\d+) \+ (\d+)\n$/.exec(stdout) ?? [];
      const counts = [Number(first), Number(second)];
      // None is done before a second one comes: the least loaded is not always the same.
      expect(Math.min(...counts)).to.be.greaterThan(0);
      expect(counts[0] + counts[1]).to.equal(41);
      expect(code).to.equal(0);
    });

    it('says which address is in use, and leaves no thread behind', async () => {
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { port } = other.address() as AddressInfo;
      const { code, stderr } = await start(name, [`127.0.0.1:${port}`]).end();
      other.close();
      expect(stderr).to.include('EADDRINUSE').and.to.include(`127.0.0.1:${port}`);
      expect(code).to.equal(1);
    });
  });

  it('19-http-server serves, and ends when it is told to', async () => {
    const server = start('19-http-server/main', ['0']);
    const [, origin = ''] = await server.waitFor(/Listening on (127\.0\.0\.1:\d+)\n/);
    const greeting = await fetch(`http://${origin}/`);
    expect(await greeting.text()).to.equal('Hello from Millrace\n');
    const echo = await fetch(`http://${origin}/echo`, { method: 'POST', body: 'echo' });
    expect(await echo.text()).to.equal('echo');
    server.kill('SIGTERM');
    expect(await server.end()).to.include({ code: 0, stderr: '' });
  });

  it('20-json-rpc calls by position and by name, and in a batch', async () => {
    expect(await outputOf('20-json-rpc/main')).to.deep.equal([
      '42 - 23 = 19',
      'By name: 19',
      'Result: 7',
      'RpcError -32602: Invalid params',
      'RpcError -32601: Method not found',
      '',
    ]);
  });

  describe('21-chat', () => {
    let members: Socket[] = [];

    afterEach(() => {
      for (const member of members) member.destroy();
      members = [];
    });

    /** One in the chat, and what was heard so far, line by line. */
    async function enter(port: number): Promise<{ socket: Socket; heard: string[] }> {
      const socket = connect({ port, host: '127.0.0.1' });
      members.push(socket);
      const heard: string[] = [];
      createInterface(socket).on('line', (line) => heard.push(line));
      await hears(heard, /^\* you are /);
      return { socket, heard };
    }

    async function hears(heard: readonly string[], pattern: RegExp): Promise<void> {
      await eventually(() => expect(heard.some((line) => pattern.test(line))).to.equal(true));
    }

    async function startChat(): Promise<{ room: Program; port: number }> {
      const room = start('21-chat', ['127.0.0.1:0']);
      return { room, port: Number((await room.waitFor(/Listening on 127\.0\.0\.1:(\d+)\n/))[1]) };
    }

    it('tells all others who comes, is renamed, speaks and leaves', async () => {
      const { room, port } = await startChat();
      const first = await enter(port);
      const second = await enter(port);
      await hears(first.heard, /^\* guest-2 has joined$/);
      second.socket.write('/nick ad');
      second.socket.write('a\r\nhel\x1b[31mlo\n\n');
      await hears(first.heard, /^\* guest-2 is now ada$/);
      await hears(first.heard, /^ada: hel\[31mlo$/);
      first.socket.write('/nick ada\n/nick not a name\n/who\n');
      await hears(first.heard, /^\* ada is taken/);
      await hears(first.heard, /^\* guest-1, ada$/);
      second.socket.write('/quit\nnever heard\n');
      await hears(first.heard, /^\* ada has left$/);
      expect(first.heard.filter((line) => /never heard|ada: $/.test(line))).to.deep.equal([]);
      const third = await enter(port);
      third.socket.write('x'.repeat(600));
      await hears(first.heard, /^\* guest-3 has left$/);
      const end = once(first.socket, 'close');
      room.kill('SIGTERM');
      await end;
      expect(await room.end()).to.include({ code: 0, stderr: '' });
    });

    it('skips who does not read, says how much was missed, and lets nobody wait', async () => {
      const { port } = await startChat();
      const slow = await enter(port);
      const quick = await enter(port);
      const speaker = await enter(port);
      slow.socket.pause();
      // More than the buffers of the system hold, and the marks of the server.
      const lines = 40_000;
      speaker.socket.write(`${'x'.repeat(500)}\n`.repeat(lines));
      speaker.socket.write('/nick done\n');
      const spoken = ({ heard }: typeof slow) =>
        heard.filter((line) => line.startsWith('guest-3: xxx')).length;
      const missed = ({ heard }: typeof slow) =>
        heard.reduce((sum, line) => sum + Number(/missed (\d+) lines/.exec(line)?.[1] ?? 0), 0);
      await eventually(() => expect(spoken(quick) + missed(quick)).to.be.at.least(lines), 9000);
      await hears(speaker.heard, /^\* guest-3 is now done$/);
      slow.socket.resume();
      // The line about the new name was one of those, and whoever joined was heard before.
      await eventually(() => expect(spoken(slow) + missed(slow)).to.equal(lines + 1), 9000);
      expect(missed(slow)).to.be.above(0);
    });
  });

  describe('22-file-watcher', () => {
    let folder: string;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'millrace-watched-'));
    });

    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    async function watchIt(): Promise<Program> {
      const watcher = start('22-file-watcher', [folder]);
      await watcher.waitFor(/^Watching\n/);
      return watcher;
    }

    it('tells of each file that is created, changed or removed, and of no other', async () => {
      writeFileSync(join(folder, 'old.txt'), 'old');
      const watcher = await watchIt();
      writeFileSync(join(folder, 'new.txt'), 'new');
      await watcher.waitFor(/created new\.txt\n/);
      writeFileSync(join(folder, 'old.txt'), 'changed');
      await watcher.waitFor(/changed old\.txt\n/);
      renameSync(join(folder, 'new.txt'), join(folder, 'newer.txt'));
      await watcher.waitFor(/removed new\.txt\n/);
      await watcher.waitFor(/created newer\.txt\n/);
      rmSync(join(folder, 'old.txt'));
      await watcher.waitFor(/removed old\.txt\n/);
      watcher.kill('SIGTERM');
      const { code, stdout, stderr } = await watcher.end();
      expect([code, stderr]).to.deep.equal([0, '']);
      expect(stdout.split('\n').length).to.equal(7);
    });

    it('tells of a burst once for each file, in directories of any depth', async () => {
      const watcher = await watchIt();
      const names = Array.from({ length: 50 }, (_, number) => `a/b/${number}.txt`);
      mkdirSync(join(folder, 'a/b'), { recursive: true });
      for (const name of names) writeFileSync(join(folder, name), name);
      for (const name of names) await watcher.waitFor(new RegExp(`created ${name}\n`));
      writeFileSync(join(folder, 'a/b/0.txt'), 'other');
      await watcher.waitFor(/changed a\/b\/0\.txt\n/);
      rmSync(join(folder, 'a'), { recursive: true });
      for (const name of names) await watcher.waitFor(new RegExp(`removed ${name}\n`));
      watcher.kill('SIGTERM');
      const { code, stdout, stderr } = await watcher.end();
      expect([code, stderr]).to.deep.equal([0, '']);
      const created = stdout.split('\n').filter((line) => line.startsWith('created'));
      expect(created).to.have.members(names.map((name) => `created ${name}`));
    });

    it('ends with an error when the directory goes, or was never there', async () => {
      const watcher = await watchIt();
      rmSync(folder, { recursive: true });
      const gone = await watcher.end();
      expect([gone.code, gone.stderr.includes('ENOENT')]).to.deep.equal([1, true]);
      const never = await start('22-file-watcher', [folder]).end();
      expect([never.code, never.stderr.includes('ENOENT')]).to.deep.equal([1, true]);
    });
  });

  describe('07-unix-chat', () => {
    const paths = new Paths();
    let members: Socket[] = [];

    after(() => paths.close());

    afterEach(() => {
      for (const member of members) member.destroy();
      members = [];
    });

    it('tells all others what one says, outlives who leaves, and removes its path', async () => {
      const path = paths.next();
      const room = start('07-unix-chat', [path]);
      await room.waitFor(/Listening on .*\n/);
      for (let count = 1; count <= 3; count++) {
        members.push(connect(path));
        await room.waitFor(new RegExp(`${count} in the room\n`));
      }
      const [first, second, third] = members as [Socket, Socket, Socket];
      first.write('hello');
      for (const other of [second, third]) {
        expect(String((await once(other, 'data'))[0])).to.equal('hello');
      }
      second.destroy();
      await room.waitFor(/3 in the room\n2 in the room\n/);
      third.write('still here');
      expect(String((await once(first, 'data'))[0])).to.equal('still here');
      const end = once(first.resume(), 'end');
      room.kill('SIGTERM');
      await end;
      expect(await room.end()).to.include({ code: 0, stderr: '' });
      expect(existsSync(path)).to.equal(false);
    });
  });

  it('23-hash-in-an-actor answers while the pool hashes', async () => {
    expect(await outputOf('23-hash-in-an-actor')).to.deep.equal([
      '3 under way',
      '64 digits, 3 different',
      '3 done, 0 failed',
      '',
    ]);
  });

  const echoServers = [
    ['04-echo-server'],
    ['18-tcp-server/main'],
    ['18-tcp-server/main', '--shards', '2'],
  ] as const;
  for (const [echo, ...options] of echoServers) {
    describe([echo, ...options].join(' '), () => {
      let server: Program;
      let port: number;
      let clients: Socket[] = [];

      beforeEach(async () => {
        server = start(echo, [...options, '127.0.0.1:0']);
        port = Number((await server.waitFor(/Listening on 127\.0\.0\.1:(\d+)\n/))[1]);
      });

      afterEach(() => {
        for (const client of clients) client.destroy();
        clients = [];
      });

      async function open(): Promise<Socket> {
        const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
        clients.push(client);
        await once(client, 'connect');
        return client;
      }

      /** Sends all, closes its half at once, and returns what comes back until the end. */
      async function echoOf(data: Buffer, client: Socket): Promise<Buffer> {
        client.end(data);
        return Buffer.concat(await client.toArray());
      }

      async function expectEcho(): Promise<void> {
        const data = randomBytes(1000);
        expect((await echoOf(data, await open())).equals(data)).to.equal(true);
      }

      it('returns 1 MiB whole to each of 50 peers that have closed their half', async () => {
        const peers = Array.from({ length: 50 }, async () => {
          const data = randomBytes(MIB);
          return (await echoOf(data, await open())).equals(data);
        });
        expect(await Promise.all(peers)).to.deep.equal(new Array(50).fill(true));
      });

      it('serves others while a peer does not read, and loses nothing of it', async () => {
        const data = randomBytes(64 * MIB);
        const idle = await open();
        idle.pause();
        idle.end(data);
        const busy = await open();
        for (let round = 0; round < 500; round++) {
          busy.write(`round ${round}`);
          const [answer] = (await once(busy, 'data')) as [Buffer];
          expect(answer.toString()).to.equal(`round ${round}`);
        }
        // More than the buffers of both kernels hold: the rest was held back by the server.
        expect(idle.writableLength).to.be.greaterThan(0);
        expect(Buffer.concat(await idle.toArray()).equals(data)).to.equal(true);
      });

      it('ends a half-closed connection without data', async () => {
        expect((await echoOf(Buffer.alloc(0), await open())).length).to.equal(0);
      });

      it('outlives peers that reset, in the middle of writes and at rest', async () => {
        for (let count = 0; count < 20; count++) {
          const client = await open();
          if (count % 2 === 0) {
            // Too much to come back while nobody reads: the server is in the midst of an answer.
            client.write(Buffer.alloc(64 * MIB));
            await once(client, 'readable');
          }
          client.resetAndDestroy();
        }
        await expectEcho();
      });

      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        it(`${signal} closes the connections and ends the server`, async () => {
          const peers = [await open(), await open(), await open()];
          await expectEcho();
          const ends = peers.map((peer) => once(peer.resume(), 'end'));
          server.kill(signal);
          await Promise.all(ends);
          const { code, stdout, stderr } = await server.end();
          expect(stderr).to.equal('');
          // On another thread, the one that has just ended may not be off the count yet.
          const count = options.length === 0 ? '3' : '[34]';
          expect(stdout).to.match(new RegExp(`${signal}: closing ${count} connections\n$`));
          expect(code).to.equal(0);
        });
      }

      it('says which address is in use', async () => {
        const { code, stderr } = await start(echo, [...options, `127.0.0.1:${port}`]).end();
        expect(stderr).to.include('EADDRINUSE').and.to.include(`127.0.0.1:${port}`);
        expect(code).to.equal(1);
      });
    });
  }

  describe('06-udp-echo', () => {
    let server: Program;
    let port: number;
    let clients: UdpClient[] = [];

    beforeEach(async () => {
      server = start('06-udp-echo', ['127.0.0.1:0']);
      port = Number((await server.waitFor(/Listening on 127\.0\.0\.1:(\d+)\n/))[1]);
    });

    afterEach(() => {
      for (const client of clients) client.close();
      clients = [];
    });

    function open(): UdpClient {
      const client = createSocket('udp4');
      clients.push(client);
      return client;
    }

    /** Sends all at once, and returns as many answers. */
    async function echoesOf(client: UdpClient, texts: readonly string[]): Promise<string[]> {
      const answers: string[] = [];
      const all = new Promise((resolve) => {
        client.on('message', (data) => {
          if (answers.push(String(data)) === texts.length) resolve(null);
        });
      });
      for (const text of texts) client.send(text, port, '127.0.0.1');
      await all;
      return answers;
    }

    it('sends every datagram back to the peer that it came from', async () => {
      const peers = Array.from({ length: 10 }, (_, peer) =>
        Array.from({ length: 20 }, (__, number) => `${peer}: ${number}`),
      );
      const echoes = await Promise.all(peers.map((texts) => echoesOf(open(), texts)));
      expect(echoes).to.deep.equal(peers);
    });

    it('does not answer what it could not receive whole, and goes on', async () => {
      const client = open();
      for (const size of [2049, 4000]) client.send(Buffer.alloc(size), port, '127.0.0.1');
      const whole = ['short', 'x'.repeat(2048)];
      expect(await echoesOf(client, whole)).to.deep.equal(whole);
      server.kill('SIGTERM');
      const { code, stdout, stderr } = await server.end();
      expect(stderr).to.equal('');
      expect(stdout).to.match(/SIGTERM: 2 datagrams were echoed\n$/);
      expect(code).to.equal(0);
    });
  });
});
