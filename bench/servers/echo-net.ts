/** TCP echo on `node:net`, as everybody writes it. */
import { createServer } from 'node:net';
import { endWithInput, LISTEN_BACKLOG, reportPort } from './lifetime.js';

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (data) => socket.write(data));
  // A load client that ends in mid-slice resets its connections; not our error.
  socket.on('error', () => socket.destroy());
});

server.listen({ host: '127.0.0.1', port: 0, backlog: LISTEN_BACKLOG }, () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP address');
  reportPort(address.port);
});

endWithInput(() => process.exit(0));
