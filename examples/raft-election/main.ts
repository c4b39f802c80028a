/**
 * A Raft cluster electing its leaders, on real sockets and real timers.
 *
 *     npm start -- --seconds 30 --nodes 5 --crash-every 3
 *
 * Each node is a Handler on an EventLoop of its own with a UDP socket of its
 * own; all loops share this thread. `node.ts` is the part to read first.
 */
import { EventLoop, UdpSocket } from 'millrace';
import type { NodeEvent } from './contract.js';
import { Director, type DirectorLoop, type Member } from './director.js';
import { summarise } from './narrator.js';
import { type NodeLoop, RaftNode } from './node.js';
import { type Options, parseOptions, USAGE, UsageError } from './options.js';
import { openScreen } from './screen.js';

const EXIT_UNHEALTHY = 1;
const EXIT_USAGE = 2;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(args);
    if (options !== null) return await runCluster(options);
    console.log(USAGE);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${USAGE}`);
    return EXIT_USAGE;
  }
}

async function runCluster(options: Options): Promise<number> {
  const loop: DirectorLoop = new EventLoop({ poller: options.poller });
  const control = loop.channel();
  const members = openMembers(options, (event) => director.observe(event));
  const screen = openScreen(() => control.send('quit'));
  const director = new Director(loop, members, options, screen);
  // A reader that goes away (a closed pipe) ends the run as the q key does.
  process.stdout.on('error', () => control.send('quit'));

  director.start(loop);
  const runs = [loop.run(director), ...members.map((member) => member.loop.run(member.node))];
  await endTogether(runs, () => {
    control.send('quit');
    for (const { sender } of members) sender.send('stop');
  }).finally(() => screen.close());

  const facts = director.facts(loop);
  for (const member of members) member.loop.close();
  loop.close();
  console.log(summarise(facts).join('\n'));
  return facts.verdict.isHealthy ? 0 : EXIT_UNHEALTHY;
}

/** All sockets are bound before any node is made: a node must know where the others are. */
function openMembers(options: Options, observe: (event: NodeEvent) => void): Member[] {
  const sockets = Array.from({ length: options.nodes }, () => UdpSocket.bind('127.0.0.1:0'));
  const addresses = sockets.map((socket) => socket.localAddress);
  return sockets.map((socket, id) => {
    const loop: NodeLoop = new EventLoop({ poller: options.poller });
    const node = new RaftNode({ id, addresses, socket, observe });
    return { node, loop, sender: loop.channel() };
  });
}

/** Waits for all runs; if one fails, stops the others and fails with its error. */
async function endTogether(runs: readonly Promise<void>[], stop: () => void): Promise<void> {
  try {
    await Promise.all(runs);
  } catch (error) {
    stop();
    await Promise.allSettled(runs);
    throw error;
  }
}
