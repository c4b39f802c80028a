/** What servers refuse, whichever threads they serve on. */
import { MillraceError, type SystemError } from '../errors.js';
import type { NetStream } from './endpoint.js';

export function alreadyListening(): MillraceError {
  return new MillraceError(
    'ERR_SERVER_LISTENING',
    'listen(): this TcpServer listens already, at its localAddress; make another one for another',
  );
}

export function serverStopped(): MillraceError {
  return new MillraceError(
    'ERR_SERVER_STOPPED',
    'listen(): this TcpServer was stopped; make another one',
  );
}

export function servedOnShards(operation: string): MillraceError {
  return new MillraceError(
    'ERR_SERVER_ON_SHARDS',
    `${operation}: the connections of this TcpServer are served on the shards; ask the context ` +
      'that their handlers get',
  );
}

export function tooMany(stream: NetStream, maxConnections: number): MillraceError {
  const error = new MillraceError(
    'ERR_MAX_CONNECTIONS',
    `${maxConnections} connections are open, as many as maxConnections allows; this one was closed`,
  );
  return Object.assign(error, peerOf(stream));
}

/** Who came in vain, in the shape of system errors. */
function peerOf(stream: NetStream): Pick<SystemError, 'address' | 'port'> {
  try {
    const peer = stream.peerAddress;
    return 'port' in peer ? { address: peer.address, port: peer.port } : {};
  } catch {
    return {};
  }
}
