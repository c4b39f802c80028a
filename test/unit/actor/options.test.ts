/** Options of systems, actors, asks and stops: both sides of each limit, and the right spelling. */
import { expect } from 'chai';
import {
  resolveAskOptions,
  resolveSpawnOptions,
  resolveStopOptions,
  resolveSystemOptions,
  spawnDefaults,
} from '../../../src/actor/options.js';
import { thrownBy } from '../../support/thrown.js';

describe('options of actors', () => {
  it('defaults are those of the documents, and one object for all', () => {
    const { mailbox, supervision, ...rest } = resolveSpawnOptions(undefined);
    expect(resolveSpawnOptions(undefined)).to.equal(resolveSpawnOptions(undefined));
    expect(resolveSpawnOptions({ mailbox: {}, supervision: {} })).to.deep.equal({
      mailbox,
      supervision,
      ...rest,
    });
    expect(mailbox).to.deep.equal({ capacity: 4096, overflow: 'refuse', serial: false });
    expect(supervision).to.deep.equal({
      onCrash: 'restart',
      maxRestarts: 3,
      withinMs: 5000,
      backoffMs: 100,
      backoffMaxMs: 5000,
    });
    expect(resolveAskOptions(undefined).timeoutMs).to.equal(5000);
    expect(resolveStopOptions(undefined)).to.equal(5000);
    expect(resolveSystemOptions(undefined)).to.include({ name: 'millrace', slowHandlerMs: 50 });
  });

  it('the capacity of mailboxes is that of the loop, unless an actor has its own', () => {
    const { loop } = resolveSystemOptions({ loop: { notifyCapacity: 7 } });
    const defaults = spawnDefaults(loop);
    expect(resolveSpawnOptions(undefined, defaults)).to.equal(defaults);
    expect(resolveSpawnOptions({ name: 'n' }, defaults).mailbox.capacity).to.equal(7);
    const serial = resolveSpawnOptions({ mailbox: { serial: true } }, defaults).mailbox;
    expect(serial).to.deep.equal({ capacity: 7, overflow: 'refuse', serial: true });
    expect(resolveSpawnOptions({ mailbox: { capacity: 2 } }, defaults).mailbox.capacity).to.equal(
      2,
    );
    expect(spawnDefaults({})).to.equal(resolveSpawnOptions(undefined));
  });

  const misspellings: [(options: never) => unknown, object, string][] = [
    [resolveSystemOptions, { shard: 0 }, 'shards'],
    [resolveSystemOptions, { slowHandlerMS: 1 }, 'slowHandlerMs'],
    [resolveSystemOptions, { loop: { messagePerTick: 1 } }, 'messagesPerTick'],
    [resolveSpawnOptions, { exports: 'A' }, 'export'],
    [resolveSpawnOptions, { mailBox: {} }, 'mailbox'],
    [resolveSpawnOptions, { mailbox: { capcity: 1 } }, 'capacity'],
    [resolveSpawnOptions, { supervision: { maxRestart: 1 } }, 'maxRestarts'],
    [resolveSpawnOptions, { supervision: { backOffMs: 1 } }, 'backoffMs'],
    [resolveAskOptions, { timeoutMS: 1 }, 'timeoutMs'],
    [resolveStopOptions, { timeoutms: 1 }, 'timeoutMs'],
  ];
  for (const [resolve, options, right] of misspellings) {
    it(`${JSON.stringify(options)} names ${right}`, () => {
      const error = thrownBy(() => resolve(options as never));
      expect(error.code).to.equal('ERR_UNKNOWN_OPTION');
      expect(error.message).to.include(`use ${right}`);
    });
  }

  const limits: [(value: number) => object, number, number][] = [
    [(capacity) => ({ mailbox: { capacity } }), 1, 2 ** 24],
    [(maxRestarts) => ({ supervision: { maxRestarts } }), 0, Number.MAX_SAFE_INTEGER],
  ];
  for (const [optionsOf, min, max] of limits) {
    it(`the limits of ${JSON.stringify(optionsOf(min))}`, () => {
      for (const value of [min, max]) resolveSpawnOptions(optionsOf(value));
      for (const value of [min - 1, max + 1, min + 0.5, NaN]) {
        expect(thrownBy(() => resolveSpawnOptions(optionsOf(value))).code).to.equal(
          'ERR_OUT_OF_RANGE',
        );
      }
    });
  }

  const wrong: [object, string][] = [
    [{ name: '' }, 'ERR_INVALID_ARG_VALUE'],
    [{ name: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ args: 'text' }, 'ERR_INVALID_ARG_TYPE'],
    [{ shard: 257 }, 'ERR_OUT_OF_RANGE'],
    [{ shard: 'any' }, 'ERR_INVALID_ARG_TYPE'],
    [{ mailbox: { overflow: 'drop' } }, 'ERR_INVALID_ARG_VALUE'],
    [{ mailbox: { serial: 1 } }, 'ERR_INVALID_ARG_TYPE'],
    [{ supervision: { onCrash: 'ignore' } }, 'ERR_INVALID_ARG_VALUE'],
    [{ supervision: { withinMs: 0 } }, 'ERR_OUT_OF_RANGE'],
    [{ supervision: { backoffMs: 10, backoffMaxMs: 9 } }, 'ERR_OUT_OF_RANGE'],
  ];
  for (const [options, code] of wrong) {
    it(`${JSON.stringify(options)} is ${code}`, () => {
      expect(thrownBy(() => resolveSpawnOptions(options)).code).to.equal(code);
    });
  }

  it('a back-off above the default maximum is its own maximum', () => {
    const { supervision } = resolveSpawnOptions({ supervision: { backoffMs: 60_000 } });
    expect(supervision.backoffMaxMs).to.equal(60_000);
  });

  it('undefined is as good as left out', () => {
    const options = { mailbox: { capacity: undefined }, name: undefined, args: undefined };
    expect(resolveSpawnOptions(options as never)).to.deep.equal(resolveSpawnOptions(undefined));
  });
});
