/** Shards that cannot start, or not again; and children whose parents died with their shard. */
import { constants } from 'node:os';
import { expect } from 'chai';
import { ActorSystem, type ShardExitEvent } from '../../src/index.js';
import { SHARD_CALM_MS } from '../../src/limits.js';
import { binding } from '../../src/poll/binding.js';
import type { Player } from '../fixtures/actors/player.js';
import { QUICK, stopOf } from '../support/actors.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { hold, type PlayerRef, PLAYER, threadStagesAfterEach } from '../support/shards.js';
import { rejectionOf } from '../support/thrown.js';

leavesNothingBehind();

const GATED = new URL('gated.js', PLAYER);

/** What every loop makes when it is opened, with any backend of Linux. */
const CALL = 'eventfd';
const { EMFILE } = constants.errno;
const ALWAYS = 1e9;

/** A shard that cannot be started is tried ten times, with a back-off that doubles up to 2 s. */
const GIVEN_UP_MS = 90_000;

/**
 * Makes each start that fails take longer than a shard has to live, as on a slow
 * machine: home is held when the thread has failed and home has not heard of it.
 */
function slowStarts(): Disposable {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let seen = binding.faultCount(CALL);
  const timer = setInterval(() => {
    const count = binding.faultCount(CALL);
    if (count > seen) Atomics.wait(cell, 0, 0, SHARD_CALM_MS + 50);
    seen = count;
  }, 1);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** The same actor, when its shard is up again. */
function again(actor: PlayerRef) {
  return eventually(() => actor.proxy<Player>().where(), 20_000);
}

describe('shards that cannot start', function () {
  this.timeout(120_000);
  const start = threadStagesAfterEach();

  // Faults are made by the core of Linux's backends.
  before(function () {
    if (process.platform !== 'linux') this.skip();
  });
  afterEach('takes the faults back', () => binding.clearFaults());

  /** How often a thread makes the call until its loop is open. */
  async function callsOfHome(): Promise<number> {
    binding.injectFault(CALL, ALWAYS, 1, EMFILE);
    const system = await ActorSystem.start({ shards: 0 });
    const count = binding.faultCount(CALL);
    await system.stop();
    return count;
  }

  it('A1: one of three cannot start: start() rejects with its error, none is left', async () => {
    const calls = await callsOfHome();
    binding.injectFault(CALL, calls + 1, 1, EMFILE);
    const error = await rejectionOf(ActorSystem.start({ shards: 3 }));
    expect(error).to.include({ code: 'EMFILE' });
    binding.clearFaults();
    // Nothing stands in the way of the next; leavesNothingBehind() counts the threads.
    const stage = await start({ shards: 3 });
    expect(await (await stage.spawnPlayer({ shard: 2 })).ask(['echo', 1])).to.equal(1);
  });

  it('A1: memory for none of them: start() rejects, and none is left', async () => {
    const resourceLimits = { maxOldGenerationSizeMb: 3, maxYoungGenerationSizeMb: 1 };
    const error = await rejectionOf(ActorSystem.start({ shards: 2, resourceLimits }));
    expect(error).to.include({ code: 'ERR_WORKER_OUT_OF_MEMORY' });
  });

  it('A6: a shard that cannot be started again is tried until it can', async () => {
    const stage = await start({ shards: 2 });
    const exits: ShardExitEvent[] = [];
    stage.system.on('shardExit', (event) => exits.push(event));
    const actor = await stage.spawnPlayer({ shard: 0, name: 'n', supervision: QUICK });
    const other = await stage.spawnPlayer({ shard: 1 });
    binding.injectFault(CALL, 1, ALWAYS, EMFILE);
    actor.send(['exit', 1]);
    await eventually(() => expect(binding.faultCount(CALL)).to.be.at.least(3), 20_000);
    // Nobody else notices.
    expect(await other.ask(['echo', 1])).to.equal(1);
    expect((await rejectionOf(actor.ask(['noted']))).code).to.equal('ERR_SHARD_EXITED');
    const shard0 = rejectionOf(stage.spawnPlayer({ shard: 0 }));
    expect((await shard0).code).to.equal('ERR_SHARD_EXITED');
    binding.clearFaults();
    await again(actor);
    expect(await stage.system.lookup('n')).to.equal(actor);
    expect(await other.ask(['askOther', actor, ['echo', 2]])).to.equal(2);
    expect(exits).to.have.length(1);
  });

  it('A6: one that never can is given up: watchers are told, names are free', async () => {
    const stage = await start({ shards: 2 });
    using _slow = slowStarts();
    const actor = await stage.spawnPlayer({ shard: 0, name: 'n', supervision: QUICK });
    const watcher = await stage.spawnPlayer({ shard: 1 });
    await watcher.ask(['watchOther', actor]);
    const reason = stopOf(actor);
    binding.injectFault(CALL, 1, ALWAYS, EMFILE);
    actor.send(['exit', 1]);
    await eventually(async () => {
      expect(await watcher.ask(['noted'])).to.deep.equal(['shardExit']);
    }, GIVEN_UP_MS);
    const told = await reason;
    expect(told.kind).to.equal('shardExit');
    expect((told as { error: unknown }).error).to.include({ code: 'EMFILE' });
    expect(stage.stops.map(({ actor: { id } }) => id)).to.deep.equal([actor.id]);
    for (const ask of [actor.ask(['noted']), watcher.proxy<Player>().askOther(actor, ['noted'])]) {
      expect((await rejectionOf(ask)).code).to.equal('ERR_SHARD_EXITED');
    }
    expect((await rejectionOf(stage.spawnPlayer({ shard: 0 }))).code).to.equal('ERR_SHARD_EXITED');
    const next = await stage.spawnPlayer({ name: 'n' });
    expect(next.shard).to.equal(1);
  });
});

describe('children of actors that died with their shard', function () {
  this.timeout(60_000);
  const start = threadStagesAfterEach();

  it('A6: a child that was being made meanwhile is not left behind', async () => {
    const { system, spawnPlayer } = bound(await start({ shards: 2 }));
    const parent = await spawnPlayer({ shard: 0, supervision: QUICK });
    const keeper = await spawnPlayer({ shard: 1 });
    parent.send(['childOf', GATED.href, { shard: 1, name: 'late' }]);
    await eventually(async () => expect(await keeper.ask(['isGateReached'])).to.equal(true));
    parent.send(['exit', 1]);
    await eventually(() => expect(parent.send(['noted'])).to.equal(false));
    await again(parent);
    await keeper.ask(['openGate']);
    // Its name is free as soon as it is given up, and not before.
    const next = await eventually(() => spawnPlayer({ shard: 1, name: 'late' }));
    expect(await system.lookup('late')).to.equal(next);
    expect((await system.metrics()).actors).to.equal(3);
  });

  it('A6: nor does one live again that had not yet stopped when its own shard died', async () => {
    const { spawnPlayer } = bound(await start({ shards: 2 }));
    const parent = await spawnPlayer({ shard: 0, supervision: QUICK });
    const options = { shard: 1, supervision: QUICK, mailbox: { serial: true } };
    const child = await parent.ask<PlayerRef>(['child', options]);
    const killer = await spawnPlayer({ shard: 1, supervision: QUICK });
    const reason = stopOf(child);
    // What it is in the middle of is waited for.
    await hold(child);
    parent.send(['exit', 1]);
    await eventually(() => expect(child.closed).to.equal(true));
    killer.send(['exit', 1]);
    expect((await reason).kind).to.equal('shardExit');
    await again(killer);
    expect(child.send(['noted'])).to.equal(false);
    await again(parent);
  });

  it('A11: what they escalate does not reach the next instance of the parent', async () => {
    const stage = await start({ shards: 2 });
    const parent = await stage.spawnPlayer({ shard: 0, supervision: QUICK });
    const supervision = { onCrash: 'escalate' } as const;
    const options = { shard: 1, supervision, mailbox: { serial: true } };
    // The second instance in its thread, as the next one after the death will count itself.
    parent.send(['crash', 'mine']);
    const child = await eventually(() => parent.ask<PlayerRef>(['child', options]));
    const letGo = await hold(child);
    child.send(['crash', 'late']);
    parent.send(['exit', 1]);
    await eventually(() => expect(child.closed).to.equal(true));
    const { instances } = await again(parent);
    letGo();
    await eventually(() => expect(stage.crashes).to.have.length(2));
    await stage.spawnPlayer({ shard: 1 });
    expect(await parent.proxy<Player>().where()).to.include({ instances });
    expect(stage.crashes.map(({ actor }) => actor.id)).to.deep.equal([parent.id, child.id]);
  });
});

describe('mail to actors on their way out', function () {
  this.timeout(20_000);
  const start = threadStagesAfterEach();

  it('A5: is turned back at once, not when they have gone', async () => {
    const stage = await start({ shards: 2 });
    const refused: unknown[] = [];
    stage.system.on('refused', ({ actor, reason, count }) =>
      refused.push([actor.id, reason, count]),
    );
    const supervision = { onCrash: 'stop' } as const;
    const actor = await stage.spawnPlayer({ shard: 0, supervision, args: ['lingers'] });
    const neighbour = await stage.spawnPlayer({ shard: 0 });
    const words = new Int32Array(new SharedArrayBuffer(8));
    // With its thread held, all of these have their places when the first of them is delivered.
    neighbour.send(['block', words]);
    await eventually(() => expect(Atomics.load(words, 1)).to.equal(1));
    expect(actor.send(['crash', 'mine'])).to.equal(true);
    const asked = [rejectionOf(actor.ask(['echo', 1])), rejectionOf(actor.ask(['echo', 2]))];
    expect(actor.send(['noted'])).to.equal(true);
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
    for (const error of await Promise.all(asked)) expect(error.code).to.equal('ERR_ACTOR_STOPPED');
    await eventually(() => {
      const count = refused.reduce((sum: number, each) => sum + (each as number[])[2], 0);
      expect(count).to.equal(3);
    });
    // It lingers: its promise of stopped() is pending all the while.
    expect(stage.stops).to.deep.equal([]);
  });
});

/** Of a stage, so that they can be taken out of it. */
function bound(stage: Awaited<ReturnType<ReturnType<typeof threadStagesAfterEach>>>) {
  return { system: stage.system, spawnPlayer: stage.spawnPlayer.bind(stage) };
}
