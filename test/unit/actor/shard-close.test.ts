/** What is in a shard's channel when it closes. */
import { expect } from 'chai';
import type { SourceHandle } from '../../../src/index.js';
import { Mail, MailKind } from '../../../src/actor/mail.js';
import { Shard, type ShardHost } from '../../../src/actor/shard.js';
import { numberOf } from '../../../src/poll/source-handle.js';
import { FakeDriver } from '../../support/fake-driver.js';
import { leavesNothingBehind } from '../../support/leaks.js';

leavesNothingBehind();

describe('a shard that closes', () => {
  for (const how of ['close', 'abandon'] as const) {
    it(`A7: closes the sources in mail that it has not read: ${how}()`, async () => {
      const driver = new FakeDriver();
      const shard = new Shard(0, {} as ShardHost, { loop: { driver }, slowHandlerMs: 50 });
      const generation = driver.io.release(7, numberOf('TcpStream'));
      const handle: SourceHandle = {
        millrace: 'source',
        driver: driver.name,
        kind: 'TcpStream',
        fd: 7,
        generation,
      };
      shard.post(new Mail(MailKind.ANSWER, 0, 0, 0, 1, null, { handle }));
      expect(driver.io.closedHandles).to.deep.equal([]);
      if (how === 'close') await shard.close();
      else shard.abandon(new Error('over'));
      expect(driver.io.closedHandles).to.deep.equal([7]);
    });
  }
});
