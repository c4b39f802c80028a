/**
 * Stream echo on `node:net`, as everybody writes it.
 *
 *   node echo-net.js PORT|PATH
 */
import { createServer } from 'node:net';
import { serveWithNode } from './lifetime.js';

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (data) => socket.write(data));
  // A load client that ends in mid-slice resets its connections; not our error.
  socket.on('error', () => socket.destroy());
});

serveWithNode(server, process.argv[2]);
