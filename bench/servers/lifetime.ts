/** What the harness expects of a server process; `echo_server.c` does the same. */

/** The same for all servers: 500 connections arrive in one burst. */
export const LISTEN_BACKLOG = 1024;

export function reportPort(port: number): void {
  console.log(`port ${port}`);
}

/** For servers with several sockets; `udp_echo_server.c` does the same. */
export function reportPorts(ports: readonly number[]): void {
  console.log(`ports ${ports.join(' ')}`);
}

/** Calls `end` when the standard input ends, which it does when the harness does. */
export function endWithInput(end: () => void): void {
  process.stdin.on('end', end).resume();
}
