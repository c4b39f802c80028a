/** Connections that move in messages to actors, and actors that are told what to do with them. */
import { expect } from 'chai';
import {
  type ActorRef,
  type SourceHandle,
  type SpawnOptions,
  type SystemOptions,
  TcpStream,
} from '../../src/index.js';
import type { Act } from '../fixtures/actors/player.js';
import { eventually } from './eventually.js';
import { type Own, readText, tcpPair } from './sockets.js';
import { type ThreadStage, threadStagesAfterEach } from './shards.js';
import { thrownBy } from './thrown.js';

/** From `dist/test/support/`. */
export const COURIER = new URL('../fixtures/actors/courier.js', import.meta.url);

export type CourierRef = ActorRef<Act>;

/** A connection: the end that moves, as a handle, and the one that sees what becomes of it. */
export class Moving {
  readonly handle: SourceHandle;
  readonly peer: TcpStream;

  constructor(own: Own) {
    const [client, server] = tcpPair(own);
    this.peer = client;
    this.handle = server.transfer();
  }

  /** The peer sees the end: the connection is closed. */
  async ended(): Promise<void> {
    await eventually(() => expect(readText(this.peer)).to.equal(''));
    expect(thrownBy(() => TcpStream.from(this.handle)).code).to.equal('ERR_HANDLE_SPENT');
  }

  /** It is in flight still, and whoever has the handle may take it. */
  takeBack(own: Own): void {
    expect(readText(this.peer)).to.equal(null);
    own(TcpStream.from(this.handle));
  }
}

export interface CourierStage extends ThreadStage {
  spawnCourier(options?: SpawnOptions): Promise<CourierRef>;
}

/** As {@link threadStagesAfterEach}. */
export function courierStagesAfterEach(): (options?: SystemOptions) => Promise<CourierStage> {
  const start = threadStagesAfterEach();
  return async (options) => {
    const stage = await start(options);
    const spawnCourier = (spawnOptions?: SpawnOptions) =>
      stage.system.spawn<Act>(COURIER, { export: 'Courier', ...spawnOptions });
    return Object.assign(stage, { spawnCourier });
  };
}
