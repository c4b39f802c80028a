/**
 * The programs that the guides in docs/how-to/ quote do what the guides say.
 * Each runs as a process of its own, tried with clients of Node's own modules.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { Program } from '../support/program.js';

const MIB = 1024 * 1024;

describe('programs of the guides', function () {
  this.timeout(10_000);

  let program: Program;
  let sockets: Socket[] = [];

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets = [];
    await program.destroy();
  });

  async function connectTo(port: number): Promise<Socket> {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  }

  /** All that comes until the end. */
  async function rest(socket: Socket): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }

  for (const name of ['echo-on-node', 'echo-on-millrace']) {
    describe(name, () => {
      let tcpPort = 0;
      let udpPort = 0;

      beforeEach(async () => {
        program = new Program(`test/docs/${name}.js`);
        const [, tcp, udp] = await program.waitFor(/TCP (\d+), UDP (\d+)/);
        tcpPort = Number(tcp);
        udpPort = Number(udp);
      });

      it('returns 1 MiB whole to each of 20 peers that have closed their half', async () => {
        await Promise.all(
          Array.from({ length: 20 }, async () => {
            const socket = await connectTo(tcpPort);
            const data = randomBytes(MIB);
            socket.end(data);
            expect((await rest(socket)).equals(data)).to.equal(true);
          }),
        );
      });

      it('returns a datagram to where it came from', async () => {
        const client = createSocket('udp4');
        try {
          client.send('hello', udpPort, '127.0.0.1');
          const [data] = (await once(client, 'message')) as [Buffer];
          expect(data.toString()).to.equal('hello');
        } finally {
          client.close();
        }
      });

      it('outlives a peer that resets, and ends at SIGTERM', async () => {
        const lost = await connectTo(tcpPort);
        lost.write(randomBytes(MIB));
        lost.resetAndDestroy();
        const socket = await connectTo(tcpPort);
        socket.write('still there');
        const [data] = (await once(socket, 'data')) as [Buffer];
        expect(data.toString()).to.equal('still there');
        program.kill('SIGTERM');
        expect(await program.end()).to.include({ code: 0, signal: null, stderr: '' });
      });
    });
  }

  describe('from-mio', () => {
    let port = 0;

    beforeEach(async () => {
      program = new Program('test/docs/from-mio.js');
      const [, shown] = await program.waitFor(/Listening on 127\.0\.0\.1:(\d+)/);
      port = Number(shown);
    });

    it('shouts each line back, however it was cut, and sends away who is silent', async () => {
      const socket = await connectTo(port);
      socket.write('hello\nwor');
      const [hello] = (await once(socket, 'data')) as [Buffer];
      expect(hello.toString()).to.equal('HELLO\n');
      socket.write('ld\nand more\n');
      const startMs = performance.now();
      expect((await rest(socket)).toString()).to.equal('WORLD\nAND MORE\n');
      expect(performance.now() - startMs).to.be.at.least(490);
    });

    it('tells everybody what comes through the channel', async () => {
      const clients = await Promise.all([connectTo(port), connectTo(port)]);
      for (const client of clients) client.write('x\n');
      await Promise.all(clients.map((client) => once(client, 'data')));
      program.write('news\n');
      const told = await Promise.all(clients.map((client) => once(client, 'data')));
      expect(told.map(([data]) => String(data))).to.deep.equal(['news\n', 'news\n']);
      program.endInput();
      expect(await program.end()).to.include({ code: 0, signal: null, stderr: '' });
    });

    it('closes a client whose line does not fit', async () => {
      const socket = await connectTo(port);
      socket.write('x'.repeat(5000));
      expect((await rest(socket).catch(() => Buffer.alloc(0))).length).to.equal(0);
    });
  });

  describe('from-mill-io', () => {
    let port = 0;

    beforeEach(async () => {
      program = new Program('test/docs/from-mill-io.js');
      const [, shown] = await program.waitFor(/Listening on 127\.0\.0\.1:(\d+)/);
      port = Number(shown);
    });

    /** Lines of the server's, those left out that tell how many there are. */
    async function* linesOf(socket: Socket): AsyncGenerator<string> {
      for await (const line of createInterface({ input: socket })) {
        if (!line.endsWith(' here')) yield line;
      }
    }

    function digestOf(text: string): string {
      let value = text;
      for (let round = 0; round < 1000; round++) {
        value = createHash('sha256').update(value).digest('hex');
      }
      return value;
    }

    it('digests each line on other threads, however it was cut', async () => {
      const socket = await connectTo(port);
      const lines = linesOf(socket);
      socket.write('hello\nwor');
      expect((await lines.next()).value).to.equal(digestOf('hello'));
      socket.write('ld\n');
      expect((await lines.next()).value).to.equal(digestOf('world'));
    });

    it('tells everybody again and again how many there are', async () => {
      const [one] = await Promise.all([connectTo(port), connectTo(port)]);
      const seen = new Set<string>();
      for await (const line of createInterface({ input: one })) {
        seen.add(line);
        if (line === '2 here') break;
      }
      expect([...seen].every((line) => /^[12] here$/.test(line))).to.equal(true);
    });

    it('obeys the thread of its operator: say, close, stop', async () => {
      const [one, two] = [await connectTo(port), await connectTo(port)];
      const [first, second] = [linesOf(one), linesOf(two)];
      one.write('x\n');
      two.write('x\n');
      await Promise.all([first.next(), second.next()]);
      program.write('news\n');
      expect((await first.next()).value).to.equal('news');
      expect((await second.next()).value).to.equal('news');
      program.write('close 1\n');
      expect((await first.next()).done).to.equal(true);
      program.write('alone\n');
      expect((await second.next()).value).to.equal('alone');
      program.endInput();
      expect((await second.next()).done).to.equal(true);
      expect(await program.end()).to.include({ code: 0, signal: null, stderr: '' });
    });

    it('closes a client whose line does not fit, and tells why', async () => {
      const socket = await connectTo(port);
      socket.write('x'.repeat(5000));
      await rest(socket).catch(() => null);
      program.endInput();
      const { code, stderr } = await program.end();
      expect(code).to.equal(0);
      expect(stderr).to.match(/^Connection 1: /);
    });
  });

  describe('hand-over', () => {
    let port = 0;

    beforeEach(async () => {
      program = new Program('test/docs/hand-over.js');
      const [, shown] = await program.waitFor(/Listening on port (\d+)/);
      port = Number(shown);
    });

    it('answers from two threads by turns, also what came before the move', async () => {
      const threads: string[] = [];
      for (let client = 0; client < 4; client++) {
        const socket = connect(port, '127.0.0.1');
        sockets.push(socket);
        // Queued before the connection is there, so that it arrives with it.
        socket.write(`hello ${client}`);
        const [data] = (await once(socket, 'data')) as [Buffer];
        const [, thread, text] = /^(\d+): (.*)$/.exec(data.toString())!;
        expect(text).to.equal(`hello ${client}`);
        threads.push(thread);
      }
      expect(new Set(threads).size).to.equal(2);
      expect(threads.slice(0, 2)).to.deep.equal(threads.slice(2));
    });

    it('closes all connections, on whichever thread, and ends at SIGTERM', async () => {
      const clients = await Promise.all([connectTo(port), connectTo(port)]);
      for (const client of clients) client.write('x');
      await Promise.all(clients.map((client) => once(client, 'data')));
      const ended = Promise.all(clients.map(rest));
      program.kill('SIGTERM');
      await ended;
      expect(await program.end()).to.include({ code: 0, signal: null, stderr: '' });
    });
  });
});
