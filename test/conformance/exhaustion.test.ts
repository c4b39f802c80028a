/**
 * Rule S7: a server that runs out of descriptors.
 *
 * Goal: no spinning, no deafness. A listener whose connections cannot be taken
 * stays ready, and under LEVEL the loop would turn round it at full speed;
 * under EDGE it would never be told again.
 *
 * Method: a server process that may have 64 descriptors, and 200 clients here.
 * For a while all must be quiet there, except that accepted connections are
 * served; then some end, and as many others must be taken soon.
 */
import { once } from 'node:events';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { type PollerMode, PollOpt } from '../../src/index.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { Fixture } from '../support/processes.js';
import { Paths } from '../support/unix.js';

leavesNothingBehind();

const CLIENTS = 200;
const DESCRIPTORS = 64;
const WINDOW_MS = 1500;
const DEADLINE_MS = 8000;

/** At most 100 failed accepts in 10 s. */
const FAILED_PER_SECOND = 10;

interface Measurement {
  accepted: number;
  open: number;
  failedAccepts: number;
  cpuShare: number;
  elapsedMs: number;
  resumedMs: number;
}

describe('a server without descriptors', function () {
  this.timeout(20_000);
  let clients: Socket[] = [];

  afterEach(async () => {
    for (const client of clients) client.destroy();
    const ending = clients.filter(({ closed }) => !closed);
    await Promise.all(ending.map((client) => once(client, 'close')));
    clients = [];
  });

  async function open(to: NetConnectOpts): Promise<Socket> {
    const client = connect(to);
    clients.push(client);
    await once(client, 'connect');
    // Those that were never accepted are reset when the server ends.
    client.on('error', () => {});
    return client;
  }

  async function echoed(client: Socket, text: string): Promise<void> {
    client.write(text);
    let got = '';
    while (got.length < text.length) got += String((await once(client, 'data'))[0]);
    expect(got).to.equal(text);
  }

  const cases: [string, number, PollerMode, 'TCP' | 'Unix'][] = [
    ['LEVEL', PollOpt.LEVEL, 'thread', 'TCP'],
    ['EDGE', PollOpt.EDGE, 'thread', 'TCP'],
    ['LEVEL', PollOpt.LEVEL, 'inline', 'TCP'],
    ['EDGE', PollOpt.EDGE, 'inline', 'TCP'],
    ['LEVEL', PollOpt.LEVEL, 'thread', 'Unix'],
    ['EDGE', PollOpt.EDGE, 'inline', 'Unix'],
  ];
  for (const [name, opt, poller, kind] of cases) {
    it(`S7: is quiet, serves whom it has, and recovers (${kind}, ${name}, ${poller})`, async () => {
      using paths = new Paths();
      const path = kind === 'Unix' ? paths.next() : undefined;
      await using server = new Fixture('scarce-server', { opt, poller, limit: DESCRIPTORS, path });
      const measured = async () => {
        server.kill('SIGUSR2');
        return server.report<Measurement>(DEADLINE_MS);
      };
      const address = await server.report<NetConnectOpts>(DEADLINE_MS);
      const first = await open(address);
      await echoed(first, 'before');
      for (let i = 1; i < CLIENTS; i++) await open(address);
      const { accepted } = await measured();
      expect(accepted).to.be.within(10, DESCRIPTORS);

      const endMs = performance.now() + WINDOW_MS;
      for (let round = 0; performance.now() < endMs; round++) {
        await echoed(first, `still ${round}`);
        await delay(50);
      }
      const quiet = await measured();
      expect(quiet.accepted).to.equal(accepted);
      expect(quiet.cpuShare).to.be.below(0.05);
      expect(quiet.failedAccepts).to.be.at.most((quiet.elapsedMs / 1000) * FAILED_PER_SECOND);

      for (const client of clients.slice(1, 6)) client.destroy();
      const sixth = clients[accepted + 4];
      await echoed(sixth, 'at last');
      const { resumedMs, ...recovered } = await measured();
      expect(recovered.accepted).to.equal(accepted + 5);
      expect(resumedMs).to.be.within(0, 100);
      server.kill('SIGTERM');
      expect(await server.end(DEADLINE_MS)).to.include({ code: 0, stderr: '' });
    });
  }
});
