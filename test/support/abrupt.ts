/** What the clients and the server of the `abrupt` scenario agree on. */

/** First byte from the server: the connection was let in, and nothing is done to it unasked. */
export const WELCOME = 'w';

/** First byte from the client: what it wants the server to do. */
export const Wish = {
  /** Send everything back, the last bytes before the end too. */
  ECHO: 'e',
  /** Close the connection. */
  CLOSE: 'c',
  /** Throw, in the callback that has got this byte. */
  THROW: 't',
  /** Throw in `onDisconnect`. */
  THROW_LAST: 'l',
  /** Send more than anybody can take. */
  FLOOD: 'f',
  /** Read nothing for a while. */
  PAUSE: 'p',
} as const;
export type Wish = (typeof Wish)[keyof typeof Wish];

/** Where the server listens; as `node:net` takes it. */
export type Place = { host: string; port: number } | { path: string };
