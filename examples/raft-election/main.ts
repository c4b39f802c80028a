/**
 * A Raft cluster electing its leaders, on real sockets and real timers.
 *
 *     npm start -- --seconds 30 --nodes 5 --crash-every 3
 *
 * Each node is an actor with a UDP socket of its own, on one of the threads of
 * an actor system; the director and the screen are on this one. `node.ts` is
 * the part to read first.
 */
import { type ActorRef, ActorSystem } from 'millrace';
import { Director, type DirectorMessage } from './director.js';
import { type RunFacts, summarise } from './narrator.js';
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
  const { shards, poller } = options;
  const system = await ActorSystem.start({ shards, loop: { poller } });
  let facts: RunFacts;
  try {
    facts = await play(system, options);
  } finally {
    await system.stop();
  }
  console.log(summarise(facts).join('\n'));
  return facts.verdict.isHealthy ? 0 : EXIT_UNHEALTHY;
}

/** Runs the director until it has the figures; what goes wrong in any actor fails the run. */
async function play(system: ActorSystem, options: Options): Promise<RunFacts> {
  let director: ActorRef<DirectorMessage> | null = null;
  const quit = () => void director?.send('quit');
  const screen = openScreen(quit);
  // A reader that goes away (a closed pipe) ends the run as the q key does.
  process.stdout.on('error', quit);
  let end: (facts: RunFacts) => void = () => {};
  const facts = new Promise<RunFacts>((resolve, reject) => {
    end = resolve;
    system.on('crash', ({ error }) => reject(error));
  });
  try {
    director = await system.spawn(Director, { args: [options, screen, end] });
    return await facts;
  } finally {
    screen.close();
  }
}
