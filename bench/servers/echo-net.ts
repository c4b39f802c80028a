/**
 * Stream echo on `node:net`, as everybody writes it.
 *
 *   node echo-net.js PORT|PATH
 */
import { createServer, type ListenOptions } from 'node:net';
import { endWithInput, isPath, LISTEN_BACKLOG, reportAddress } from './lifetime.js';

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (data) => socket.write(data));
  // A load client that ends in mid-slice resets its connections; not our error.
  socket.on('error', () => socket.destroy());
});

const wanted = process.argv[2] ?? '0';
const place: ListenOptions = isPath(wanted)
  ? { path: wanted }
  : { host: '127.0.0.1', port: Number(wanted) };

server.listen({ ...place, backlog: LISTEN_BACKLOG }, () => {
  const address = server.address();
  reportAddress(typeof address === 'object' && address !== null ? address.port : wanted);
});

endWithInput(() => process.exit(0));
