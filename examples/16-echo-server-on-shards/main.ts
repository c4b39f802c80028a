/**
 * Echo server on several threads: an actor in each shard listens on the same
 * port, and the kernel deals the connections out among them (SO_REUSEPORT).
 * A connection stays with its actor; no thread ever waits for another.
 *
 *     node dist/examples/16-echo-server-on-shards/main.js [address]
 */
import { once } from 'node:events';
import { type ActorRef, ActorSystem, type AddressLike } from 'millrace';
import type { EchoServer } from './echo-server.js';

const DEFAULT_ADDRESS = '127.0.0.1:7000';
const SHARDS = 2;
const MODULE = new URL('./echo-server.js', import.meta.url);

// Disposed of, also when an address is refused: the servers stop, then the threads.
await using system = await ActorSystem.start({ shards: SHARDS });
const actors: ActorRef[] = [];
let address: AddressLike = process.argv[2] ?? DEFAULT_ADDRESS;
for (let shard = 0; shard < SHARDS; shard++) {
  const actor: ActorRef = await system.spawn(MODULE, { args: [address], shard });
  actors.push(actor);
  // With port 0 the first has been given one; the others are to listen on the same.
  address = await actor.proxy<EchoServer>().address();
}
const { address: host, family, port } = await actors[0].proxy<EchoServer>().address();
console.log(`Listening on ${family === 'IPv6' ? `[${host}]` : host}:${port}`);

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
const counts = await Promise.all(actors.map((actor) => actor.proxy<EchoServer>().accepted()));
console.log(`Connections: ${counts.join(' + ')}`);
