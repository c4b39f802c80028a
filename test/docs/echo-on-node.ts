/**
 * The program of docs/how-to/from-node-net-and-dgram.md as it was: echo by TCP
 * and UDP on Node's own modules. `echo-on-millrace.ts` is the same program moved.
 *
 *     node dist/test/docs/echo-on-node.js
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

const connections = new Set<Socket>();

const server = createServer({ allowHalfOpen: true }, (connection) => {
  connections.add(connection);
  connection.on('data', (data) => {
    if (connection.write(data)) return;
    connection.pause();
    connection.once('drain', () => connection.resume());
  });
  connection.on('end', () => connection.end());
  connection.on('error', () => connection.destroy());
  connection.on('close', () => connections.delete(connection));
});

const socket = createSocket('udp4');
socket.on('message', (data, { address, port }) => {
  socket.send(data, port, address);
});

server.listen(0, '127.0.0.1');
await once(server, 'listening');
socket.bind(0, '127.0.0.1');
await once(socket, 'listening');
console.log(`TCP ${(server.address() as AddressInfo).port}, UDP ${socket.address().port}`);

process.on('SIGTERM', () => {
  for (const connection of connections) connection.destroy();
  server.close();
  socket.close();
});
