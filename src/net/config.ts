/** What can be set on servers and clients: names, ranges, defaults. */
import { invalidValue, outOfRange } from '../errors.js';
import {
  DEFAULT_BACKOFF_MAX_MS,
  DEFAULT_BACKOFF_MS,
  DEFAULT_BUFFER_BYTES,
  DEFAULT_CONNECT_TIMEOUT_MS,
  DEFAULT_HIGH_WATER_MARK_BYTES,
  DEFAULT_KEEP_ALIVE_MS,
  DEFAULT_LOW_WATER_MARK_BYTES,
  KEEP_ALIVE_MS_MAX,
  READ_BUFFER_BYTES_MAX,
} from '../limits.js';
import type { AddressLike } from '../socket/address.js';
import {
  requireBoolean,
  requireDuration,
  requireInteger,
  requireOptions,
  requirePeriod,
} from '../validate.js';
import { isUnix, requireNetAddress } from './endpoint.js';

/** An IP address and a port, or `{ path }` for a Unix socket. */
export type NetAddressLike = AddressLike | { path: string };

/** What servers and clients have in common. */
export interface ConnectionConfig {
  /** Where to listen, or what to connect to. */
  address: NetAddressLike;
  /**
   * What `onData` gets at once at most, in bytes: the size of the one buffer
   * into which all connections are read. 1 to 2^30. @default 8192
   */
  bufferSizeBytes?: number;
  /** Sends small messages at once. Means nothing to Unix sockets. @default true */
  noDelay?: boolean;
  /**
   * Probes the peer after so long without a sign of life, in milliseconds,
   * rounded up to seconds; 0: never. 0 to 32767000. Means nothing to Unix sockets.
   * @default 60000
   */
  keepAliveMs?: number;
  /**
   * Ends a connection on which for so long, in milliseconds, neither bytes have
   * come nor the kernel has taken any; 0: never. Finite, at least 0. @default 0
   */
  idleTimeoutMs?: number;
  /**
   * With more than so many bytes queued for a connection it takes no more. From
   * 0. @default 1 MiB
   */
  highWaterMarkBytes?: number;
  /**
   * Below so many bytes `onDrained` is called. 0 to `highWaterMarkBytes`.
   * @default 256 KiB, or `highWaterMarkBytes` if that is less
   */
  lowWaterMarkBytes?: number;
  /**
   * Does not read a connection from the moment that more than
   * `highWaterMarkBytes` are queued for it until it has drained. One end of a
   * connection at most should do so: two that send to each other and do not
   * read would wait for ever. @default true for a server, false for a client
   */
  autoPause?: boolean;
}

/** Options of a `TcpServer`. */
export interface TcpServerConfig extends ConnectionConfig {
  /**
   * Open connections at most; one too many is closed and told to `onError`. From
   * 1. @default Infinity
   */
  maxConnections?: number;
  /** Lets several servers share the address. Not with a Unix socket. @default false */
  reusePort?: boolean;
}

/** How a `TcpClient` connects again. Half of each back-off is left to chance. */
export interface ReconnectOptions {
  /**
   * Before the second attempt, in milliseconds; doubles with each after it.
   * Above 0. @default 100
   */
  backoffMs?: number;
  /**
   * What that grows to, in milliseconds. At least `backoffMs`.
   * @default 30000, or `backoffMs` if that is more
   */
  backoffMaxMs?: number;
  /** Attempts that fail in a row, after which the client gives up. From 1. @default Infinity */
  maxAttempts?: number;
}

/** Options of a `TcpClient`. */
export interface TcpClientConfig extends ConnectionConfig {
  /**
   * What an attempt to connect may take, in milliseconds; 0: as the kernel says.
   * Finite, at least 0. @default 10000
   */
  connectTimeoutMs?: number;
  /** Connects again when an attempt has failed or a connection was lost. @default not at all */
  reconnect?: ReconnectOptions;
}

/** With every option, each in its range. */
export type ServerSettings = Readonly<Required<TcpServerConfig>>;
export type ClientSettings = Readonly<Required<Omit<TcpClientConfig, 'reconnect'>>> & {
  readonly reconnect: Readonly<Required<ReconnectOptions>> | null;
};
export type ConnectionSettings = Readonly<Required<ConnectionConfig>>;

const CONNECTION_DEFAULTS = {
  bufferSizeBytes: DEFAULT_BUFFER_BYTES,
  noDelay: true,
  keepAliveMs: DEFAULT_KEEP_ALIVE_MS,
  idleTimeoutMs: 0,
  highWaterMarkBytes: DEFAULT_HIGH_WATER_MARK_BYTES,
};
const CONNECTION_NAMES = [
  'address',
  'lowWaterMarkBytes',
  'autoPause',
  ...Object.keys(CONNECTION_DEFAULTS),
];
const RECONNECT_NAMES = ['backoffMs', 'backoffMaxMs', 'maxAttempts'];

export function resolveServerConfig(config: TcpServerConfig): ServerSettings {
  const given = requireOptions('config', config ?? null, [
    ...CONNECTION_NAMES,
    'maxConnections',
    'reusePort',
  ]);
  const { maxConnections = Infinity, reusePort = false } = given;
  requireLimit('maxConnections', maxConnections);
  requireBoolean('reusePort', reusePort);
  const settings = { ...resolveConnection(given, true), maxConnections, reusePort };
  if (reusePort && isUnix(settings.address)) {
    throw invalidValue('reusePort', 'false for a Unix socket, which has no port', reusePort);
  }
  return settings;
}

export function resolveClientConfig(config: TcpClientConfig): ClientSettings {
  const given = requireOptions('config', config ?? null, [
    ...CONNECTION_NAMES,
    'connectTimeoutMs',
    'reconnect',
  ]);
  const { connectTimeoutMs = DEFAULT_CONNECT_TIMEOUT_MS, reconnect } = given;
  requireDuration('connectTimeoutMs', connectTimeoutMs);
  return {
    ...resolveConnection(given, false),
    connectTimeoutMs,
    reconnect: reconnect === undefined ? null : resolveReconnect(reconnect),
  };
}

function resolveConnection(
  given: Partial<ConnectionConfig>,
  isAutoPaused: boolean,
): ConnectionSettings {
  const settings = { ...CONNECTION_DEFAULTS };
  for (const name of Object.keys(CONNECTION_DEFAULTS) as (keyof typeof CONNECTION_DEFAULTS)[]) {
    if (given[name] !== undefined) Object.assign(settings, { [name]: given[name] });
  }
  const { bufferSizeBytes, highWaterMarkBytes, keepAliveMs } = settings;
  requireInteger('bufferSizeBytes', bufferSizeBytes, { min: 1, max: READ_BUFFER_BYTES_MAX });
  requireBoolean('noDelay', settings.noDelay);
  requireDuration('keepAliveMs', keepAliveMs);
  if (keepAliveMs > KEEP_ALIVE_MS_MAX) {
    throw outOfRange('keepAliveMs', `at most ${KEEP_ALIVE_MS_MAX}`, keepAliveMs);
  }
  requireDuration('idleTimeoutMs', settings.idleTimeoutMs);
  requireInteger('highWaterMarkBytes', highWaterMarkBytes, { min: 0 });
  const lowWaterMarkBytes =
    given.lowWaterMarkBytes ?? Math.min(DEFAULT_LOW_WATER_MARK_BYTES, highWaterMarkBytes);
  requireInteger('lowWaterMarkBytes', lowWaterMarkBytes, { min: 0, max: highWaterMarkBytes });
  const { autoPause = isAutoPaused } = given;
  requireBoolean('autoPause', autoPause);
  return { ...settings, lowWaterMarkBytes, autoPause, address: requireNetAddress(given.address) };
}

function resolveReconnect(options: ReconnectOptions): Required<ReconnectOptions> {
  const { backoffMs = DEFAULT_BACKOFF_MS, maxAttempts = Infinity } = requireOptions(
    'reconnect',
    options,
    RECONNECT_NAMES,
  );
  requirePeriod('backoffMs', backoffMs);
  const backoffMaxMs = options.backoffMaxMs ?? Math.max(backoffMs, DEFAULT_BACKOFF_MAX_MS);
  requirePeriod('backoffMaxMs', backoffMaxMs);
  if (backoffMaxMs < backoffMs) {
    throw outOfRange('backoffMaxMs', `at least backoffMs (${backoffMs})`, backoffMaxMs);
  }
  requireLimit('maxAttempts', maxAttempts);
  return { backoffMs, backoffMaxMs, maxAttempts };
}

/** A whole number from 1, or no limit. */
function requireLimit(name: string, value: unknown): void {
  if (value !== Infinity) requireInteger(name, value, { min: 1 });
}
