/**
 * What one connection says is sent to all of them, on `node:net`: a set of
 * sockets, and a write to each.
 *
 *   node broadcast-net.js PORT|PATH
 */
import { createServer, type Socket } from 'node:net';
import { serveWithNode } from './lifetime.js';

const sockets = new Set<Socket>();
const server = createServer({ noDelay: true }, (socket) => {
  sockets.add(socket);
  socket.on('data', (data) => {
    for (const each of sockets) each.write(data);
  });
  socket.on('close', () => sockets.delete(socket));
  // A load client that ends in mid-slice resets its connections; not our error.
  socket.on('error', () => socket.destroy());
});

serveWithNode(server, process.argv[2]);
