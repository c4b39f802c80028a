/**
 * Echo server on several threads: one actor accepts, and hands each connection
 * over to the shard that serves the fewest. Only the handle travels; the bytes
 * are read and written by the thread that has the connection.
 *
 * Where connections come faster than one thread can accept them, let the actor
 * of each shard listen by itself with `reusePort: true`: then the kernel deals
 * them out, by a hash instead of by load.
 *
 *     node dist/examples/16-echo-server-on-shards/main.js [address]
 */
import { once } from 'node:events';
import { type ActorRef, ActorSystem } from 'millrace';
import type { Work } from './echo-server.js';
import { Front } from './front.js';

const DEFAULT_ADDRESS = '127.0.0.1:7000';
const SHARDS = 2;
const MODULE = new URL('./echo-server.js', import.meta.url);

// Disposed of, also when an address is refused: the servers stop, then the threads.
await using system = await ActorSystem.start({ shards: SHARDS });
const servers: ActorRef<Work>[] = [];
for (let shard = 0; shard < SHARDS; shard++) {
  servers.push(await system.spawn<Work>(MODULE, { shard }));
}
const actor = await system.spawn(Front, { args: [process.argv[2] ?? DEFAULT_ADDRESS, servers] });
const front = actor.proxy<Front>();
const { address, family, port } = await front.address();
console.log(`Listening on ${family === 'IPv6' ? `[${address}]` : address}:${port}`);

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
console.log(`Connections: ${(await front.given()).join(' + ')}`);
