/** Binding for a server on shards: again and again to the address that it had first. */
import type { Driver } from '../poll/driver.js';
import { type Bound, bindAt } from './acceptor.js';
import type { ServerSettings } from './config.js';
import { isUnix, SocketFile } from './endpoint.js';
import type { ServerBoard } from './server-board.js';

export function bindOnBoard(driver: Driver, settings: ServerSettings, board: ServerBoard): Bound {
  const { address } = settings;
  const { file: left } = board;
  // A listener that has died with its thread has not removed its file.
  if (isUnix(address) && left !== null) new SocketFile(address.path, left).remove();
  const bound = bindAt(driver, withPort(settings, board));
  const { file, localAddress } = bound;
  if ('port' in localAddress) board.port = localAddress.port;
  if (file !== null) board.file = file.identity;
  return bound;
}

/** With the port that the system has chosen for the first that bound. */
export function withPort(settings: ServerSettings, { port }: ServerBoard): ServerSettings {
  const { address } = settings;
  if (port === 0 || typeof address !== 'object' || !('port' in address)) return settings;
  return { ...settings, address: { ...address, port } };
}
