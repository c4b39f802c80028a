/** The public exports of `millrace/net`. */
import { sharedMemory } from '../channel/shared-memory.js';
import { provideCrossing } from '../loop/crossing.js';

export { type ConnectionHandle, ConnectionSender } from '../channel/connection-sender.js';
export type { Data } from '../data.js';
export type { ChunkDecoder } from './chunk-decoder.js';
export type { ClientState } from './client-link.js';
export type {
  ConnectionConfig,
  NetAddressLike,
  ReconnectOptions,
  TcpClientConfig,
  TcpServerConfig,
} from './config.js';
export type { Connection } from './connection.js';
export type { ClientMetrics, ServerMetrics, TrafficMetrics } from './counts.js';
export { encodeLine } from './encode-line.js';
export type {
  BroadcastOptions,
  ClientHandler,
  DisconnectReason,
  NetAddress,
  NetworkHandler,
  ServerContext,
} from './handlers.js';
export { encodeFrame, type LengthPrefixOptions } from './length-prefix.js';
export { LengthPrefixedDecoder } from './length-prefixed-decoder.js';
export {
  type Line,
  LineDecoder,
  type LineDecoderOptions,
  type LineEncoding,
} from './line-decoder.js';
export { TcpClient } from './tcp-client.js';
export { type ServerStopOptions, type ShardedServerOptions, TcpServer } from './tcp-server.js';

// A thread may have nothing but a sender.
provideCrossing(sharedMemory);
