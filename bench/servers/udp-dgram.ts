/**
 * UDP echo on `node:dgram`, as everybody writes it.
 *
 *   node udp-dgram.js SOCKETS
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { endWithInput, reportPorts } from './lifetime.js';

const sockets = Array.from({ length: Number(process.argv[2]) }, () => createSocket('udp4'));
for (const socket of sockets) {
  socket.on('message', (data, from) => socket.send(data, from.port, from.address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
}

endWithInput(() => process.exit(0));
reportPorts(sockets.map((socket) => socket.address().port));
