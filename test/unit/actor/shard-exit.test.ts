/** A loop that fails under its actors: what the system refuses is no crash of theirs. */
import { constants } from 'node:os';
import { expect } from 'chai';
import { ActorSystem, type Driver, type Poller, type ShardExitEvent } from '../../../src/index.js';
import { nativeDriver } from '../../../src/poll/native-driver.js';
import { Scripted } from '../../support/actors.js';
import { eventually } from '../../support/eventually.js';
import { leavesNothingBehind } from '../../support/leaks.js';
import { rejectionOf } from '../../support/thrown.js';

leavesNothingBehind();

/** The native driver, whose pollers fail from when they are told to. */
function failingDriver(isFailing: () => boolean): Driver {
  const openPoller: Driver['openPoller'] = (options) => {
    const poller = nativeDriver.openPoller(options);
    const poll: Poller['poll'] = (timeoutMs) =>
      isFailing() ? -constants.errno.EBADF : poller.poll(timeoutMs);
    return new Proxy(poller, {
      get(target, key) {
        if (key === 'poll') return poll;
        const value = Reflect.get(target, key) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  return Object.create(nativeDriver, {
    openPoller: { value: openPoller },
    now: { value: () => nativeDriver.now() },
    nowOrLater: { value: () => nativeDriver.nowOrLater() },
    random: { value: () => nativeDriver.random() },
  }) as Driver;
}

describe('a shard that exits', () => {
  it('A5, A7: reports the error, calls stopped(), rejects asks, and stop() returns', async () => {
    let failing = false;
    const system = await ActorSystem.start({
      shards: 0,
      loop: { driver: failingDriver(() => failing) },
    });
    const exits: ShardExitEvent[] = [];
    const reasons: { kind: string }[] = [];
    system.on('shardExit', (event) => exits.push(event));
    let received = 0;
    const script = {
      notify: () => {
        received += 1;
        return new Promise(() => {});
      },
      stopped: (_: unknown, reason: { kind: string }) => void reasons.push(reason),
    };
    const actor = await system.spawn(Scripted, { args: [script] });
    const asked = rejectionOf(actor.ask('pending'));
    await eventually(() => expect(received).to.equal(1));
    failing = true;
    const queued = rejectionOf(actor.ask('queued'));
    expect((await asked).code).to.equal('ERR_SHARD_EXITED');
    expect((await queued).code).to.equal('ERR_SHARD_EXITED');
    expect(exits).to.have.length(1);
    expect(exits[0]).to.include({ shard: 0, code: null });
    expect(exits[0]?.error).to.include({ code: 'EBADF' });
    expect(reasons.map(({ kind }) => kind)).to.deep.equal(['shardExit']);
    expect(actor.send('late')).to.equal(false);
    expect((await rejectionOf(system.spawn(Scripted))).code).to.equal('ERR_SYSTEM_STOPPED');
    await system.stop();
  });
});
