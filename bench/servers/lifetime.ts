/** What the harness expects of a server process; `echo_server.c` does the same. */

import type { Server } from 'node:net';
import { createInterface } from 'node:readline';

/** The same for all servers: 500 connections arrive in one burst. */
export const LISTEN_BACKLOG = 1024;

/** A port of the loopback interface, or the path of a Unix socket. */
export function reportAddress(address: number | string): void {
  console.log(`address ${address}`);
}

/** For servers with several sockets; `udp_echo_server.c` does the same. */
export function reportPorts(ports: readonly number[]): void {
  console.log(`ports ${ports.join(' ')}`);
}

/** Whether what a server is told to listen at is a path; the other kind is a port. */
export function isPath(address: string): boolean {
  return address.startsWith('/');
}

/** A server of Node, at the place that the harness has chosen, until the input ends. */
export function serveWithNode(server: Server, wanted = '0'): void {
  const place = isPath(wanted) ? { path: wanted } : { host: '127.0.0.1', port: Number(wanted) };
  server.listen({ ...place, backlog: LISTEN_BACKLOG }, () => {
    const address = server.address();
    reportAddress(typeof address === 'object' && address !== null ? address.port : wanted);
  });
  endWithInput(() => process.exit(0));
}

/**
 * Calls `end` when the standard input ends, which it does when the harness does.
 * Until then each line asks for a full garbage collection, and is answered when
 * that is done; it needs `node --expose-gc`.
 */
export function endWithInput(end: () => void): void {
  const input = createInterface({ input: process.stdin });
  input.on('line', () => {
    // The heap gives back what it holds free, or this would hide growth.
    globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    console.log('collected');
  });
  input.on('close', end);
}
