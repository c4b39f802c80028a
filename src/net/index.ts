/** The public exports of `millrace/net`. */
export type { ClientState } from './client-link.js';
export type {
  ConnectionConfig,
  NetAddressLike,
  ReconnectOptions,
  TcpClientConfig,
  TcpServerConfig,
} from './config.js';
export type { Connection } from './connection.js';
export type {
  BroadcastOptions,
  ClientHandler,
  Data,
  DisconnectReason,
  NetAddress,
  NetworkHandler,
  ServerContext,
} from './handlers.js';
export { TcpClient } from './tcp-client.js';
export { type ServerStopOptions, TcpServer } from './tcp-server.js';
