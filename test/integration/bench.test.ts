/**
 * The benchmarks run, and notice what they must not count. Figures are not
 * looked at here: slices are far too short for that.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import {
  type Kind,
  KINDS,
  messagesOf,
  sumOf,
  tallyOf,
} from '../../bench/contenders/channel-protocol.js';
import { nativeProgram } from '../../bench/harness/native.js';
import { LineProcess } from '../../bench/harness/processes.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { Program } from '../support/program.js';
import { Paths } from '../support/unix.js';

leavesNothingBehind();

/** Compiling the C programs, on a machine that does other things as well. */
const COMPILE_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 5_000;

/** A run takes up to 5 s of processor time, and has to share the machine. */
const RUN_TIMEOUT_MS = 60_000;
const TIMEOUT_MS = RUN_TIMEOUT_MS + 15_000;

const NATIVE_PROGRAMS = [
  'echo_server',
  'load_client',
  'udp_echo_server',
  'udp_load_client',
  'firehose',
  'broadcast_server',
  'broadcast_client',
];

interface Report {
  failures: string[];
  gates: { claim: string; value: number | null }[];
  data: unknown;
}

/** One round of very short slices, and what it takes to keep the run short. */
const SHORT = ['--rounds', '1', '--ms', '30'];

const BENCHMARKS: Record<string, { args: readonly string[]; gates: readonly string[] }> = {
  'tcp-echo': {
    args: ['--connections', '50', '--size', '64', '--servers', 'c', '--servers', 'thread'],
    gates: ['50 conn, 64 B, millrace thread: CPU / C', '50 conn, 64 B, millrace thread: rate / C'],
  },
  'unix-echo': {
    args: ['--servers', 'c', '--servers', 'inline'],
    gates: ['50 conn, 64 B, millrace inline: CPU / C', '50 conn, 16 KiB, millrace inline: CPU / C'],
  },
  'udp-echo': {
    args: ['--servers', 'dgram', '--servers', 'batch'],
    gates: ['millrace batches: CPU / node:dgram'],
  },
  connections: {
    args: ['--idle', '500', '--servers', 'thread'],
    gates: [
      'millrace thread: p50 beside idle ones / alone',
      'millrace thread: p99 beside idle ones / alone',
    ],
  },
  firehose: {
    args: [],
    gates: [
      'millrace LEVEL: p99 beside the firehose / idle',
      'millrace EDGE: p99 beside the firehose / idle',
    ],
  },
  channel: {
    args: ['--kinds', 'bytes'],
    gates: [
      'Uint8Array(64) to main, millrace: rate / postMessage',
      'Uint8Array(64) to main, millrace: rate / arrays of 256',
      'Uint8Array(64) to main, its actors: rate / postMessage',
      'Uint8Array(64) to main, its actors: rate / arrays of 256',
      'Uint8Array(64) to worker, millrace: rate / postMessage',
      'Uint8Array(64) to worker, millrace: rate / arrays of 256',
      'Uint8Array(64) to worker, its actors: rate / postMessage',
      'Uint8Array(64) to worker, its actors: rate / arrays of 256',
      'round trip, busy: p50 / postMessage',
    ],
  },
  pool: {
    args: ['--threads', '1', '--low', '20', '--contenders', 'millrace', '--contenders', 'piscina'],
    gates: [
      'empty tasks, 1 threads: rate / piscina',
      'empty, one at a time, 1 threads: p50 / piscina',
      'tasks of 1 ms, 1 threads: rate / piscina',
      'Critical before Low, 1 threads: p99 us to its start',
      'Critical before Low, 1 threads: p99 of Low tasks that began meanwhile',
      'Low beside Critical, 1 threads: longest wait / 3 levels of ageing',
      'Low beside Critical, 1 threads: p99 of Critical tasks that began before an aged one',
    ],
  },
  'net-echo': {
    args: ['--connections', '50', '--size', '64'],
    gates: ['50 conn, 64 B, millrace TcpServer: rate / node:net'],
  },
  broadcast: {
    args: ['--connections', '50', '--size', '1024'],
    gates: ['50 conn, 1 KiB: CPU / C', '50 conn, 1 KiB: deliveries / node:net'],
  },
  http: {
    args: ['--loads', 'keep-alive'],
    // Without wrk it says so, and measures nothing.
    gates: hasWrk() ? ['requests, keep-alive: rate / node:http'] : [],
  },
};

function hasWrk(): boolean {
  return spawnSync('wrk', ['--version'], { stdio: 'ignore' }).error === undefined;
}

function added(kind: Kind, messages: readonly unknown[]): number {
  const tally = tallyOf(kind);
  for (const message of messages) tally.add(message);
  return tally.sum;
}

/** They stand on epoll and /proc. */
if (process.platform === 'linux') {
  describe('benchmarks', function () {
    this.timeout(TIMEOUT_MS);

    let programs: Program[] = [];
    let processes: LineProcess[] = [];
    let servers: Server[] = [];
    let sockets: Socket[] = [];
    let paths: Paths;

    before('compiles the C programs', function () {
      this.timeout(COMPILE_TIMEOUT_MS);
      for (const name of NATIVE_PROGRAMS) nativeProgram(name);
    });

    beforeEach(() => {
      paths = new Paths();
    });

    afterEach(async () => {
      await Promise.all(programs.map((program) => program.destroy()));
      await Promise.all(processes.map((each) => each.stop()));
      for (const socket of sockets) socket.destroy();
      await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
      programs = [];
      processes = [];
      servers = [];
      sockets = [];
      paths.close();
    });

    function bench(args: readonly string[]): Program {
      const program = new Program('bench/main.js', args);
      programs.push(program);
      return program;
    }

    /** A server of a Unix path that does to each connection what it is told. */
    async function listen(serve: (socket: Socket) => void): Promise<string> {
      const path = paths.next();
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        sockets.push(socket);
        socket.on('error', () => socket.destroy());
        serve(socket);
      });
      servers.push(server);
      await new Promise<void>((listening) => server.listen(path, listening));
      return path;
    }

    function start(name: string, args: readonly string[]): LineProcess {
      const started = new LineProcess(name, [nativeProgram(name), ...args]);
      processes.push(started);
      return started;
    }

    for (const [name, { args, gates }] of Object.entries(BENCHMARKS)) {
      it(`${name} runs, reports every figure, and has nothing to complain of`, async () => {
        const json = paths.next();
        const program = bench([name, ...SHORT, ...args, '--json', json]);
        const { code, stderr } = await program.end(RUN_TIMEOUT_MS);
        expect(stderr).to.equal('');
        const report: Report = JSON.parse(readFileSync(json, 'utf8'));
        expect(report.failures).to.deep.equal([]);
        expect(report.gates.map(({ claim }) => claim)).to.deep.equal(gates);
        // A figure that could not be measured is null in JSON.
        expect(JSON.stringify(report.data)).not.to.include('null');
        for (const { claim, value } of report.gates) expect(value, claim).to.be.a('number');
        expect(code).to.equal(0);
      });
    }

    it('an option that does not exist, and more idle connections than can be', async () => {
      const wrong = await bench(['unix-echo', '--servers', 'nobody']).end();
      expect(wrong.stderr).to.equal('--servers nobody: there is c, net, thread, inline\n');
      expect(wrong.code).to.equal(2);
      const script = fileURLToPath(new URL('../../bench/main.js', import.meta.url));
      const command = [process.execPath, script, 'connections', '--idle', '1000'];
      const large = spawnSync('sh', ['-c', 'ulimit -n 512 && exec "$@"', 'sh', ...command]);
      expect(large.stderr.toString()).to.match(/needs 1150 descriptors .* hard limit is 512/);
      expect(large.status).to.equal(2);
    });

    it('a stream with a message changed, left out, doubled or out of turn is not complete', () => {
      for (const kind of KINDS) {
        const stream = [...messagesOf(kind), ...messagesOf(kind)];
        const complete = sumOf(kind, stream.length);
        expect(added(kind, stream), kind).to.equal(complete);
        expect(added(kind, stream.toSpliced(700, 1)), kind).not.to.equal(complete);
        expect(added(kind, stream.toSpliced(700, 0, stream[700])), kind).not.to.equal(complete);
        expect(added(kind, stream.with(700, stream[701])), kind).not.to.equal(complete);
        const swapped = stream.with(700, stream[701]).with(701, stream[700]);
        expect(added(kind, swapped), kind).not.to.equal(complete);
      }
    });

    it('an echo with one wrong byte is counted, and not as a round trip', async () => {
      let echoes = 0;
      const path = await listen((socket) => {
        socket.on('data', (data) => {
          echoes += 1;
          // The first is the round trip before "ready", which has to succeed.
          if (echoes > 1) data[data.length - 1] ^= 1;
          socket.write(data);
        });
      });
      const client = start('load_client', [path, '1', '64', '50']);
      expect(await client.readLine(ANSWER_TIMEOUT_MS)).to.equal('ready');
      client.writeLine('go');
      const report = JSON.parse(await client.readLine(ANSWER_TIMEOUT_MS));
      expect(report).to.include({ started: 1, completed: 0, contentErrors: 1 });
    });

    it('a message that one of those who hear it gets changed, or twice, is noticed', async () => {
      for (const wrong of ['changed', 'doubled']) {
        const listeners: Socket[] = [];
        let messages = 0;
        const path = await listen((socket) => {
          listeners.push(socket);
          socket.on('data', (data) => {
            messages += 1;
            const last = listeners.at(-1)!;
            for (const each of listeners.slice(0, -1)) each.write(data);
            // The first is the one before "ready", which all have to hear.
            if (messages === 1 || wrong === 'doubled') last.write(data);
            if (messages > 1 && wrong === 'changed') data[20] ^= 1;
            if (messages > 1) last.write(data);
          });
        });
        const client = start('broadcast_client', [path, '3', '64', '50']);
        expect(await client.readLine(ANSWER_TIMEOUT_MS), wrong).to.equal('ready');
        client.writeLine('go');
        const report = JSON.parse(await client.readLine(ANSWER_TIMEOUT_MS));
        expect(report.contentErrors, wrong).to.equal(1);
        expect(report.completed, wrong).to.be.below(report.started);
      }
    });

    it('the firehose tells what the server has read, not what was sent', async () => {
      const path = await listen((socket) => {
        let bytes = 0;
        socket.on('data', (data) => {
          bytes += data.length;
        });
        socket.on('end', () => socket.end(String(bytes - 1)));
      });
      const firehose = start('firehose', [path]);
      expect(await firehose.readLine(ANSWER_TIMEOUT_MS)).to.equal('ready');
      firehose.writeLine('stop');
      const report = JSON.parse(await firehose.readLine(ANSWER_TIMEOUT_MS));
      expect(report.discardedBytes).to.equal(report.sentBytes - 1);
    });
  });
}
