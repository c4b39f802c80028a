/** Threads of a system that die, rule A6; and systems under load, rules A7 and C1. */
import { expect } from 'chai';
import { MillraceError, type ShardExitEvent } from '../../src/index.js';
import type { Player } from '../fixtures/actors/player.js';
import { QUICK, stopOf } from '../support/actors.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { random } from '../support/random.js';
import { deaths, stopUnderLoad } from '../support/shard-load.js';
import { block, hold, type PlayerRef, threadStagesAfterEach } from '../support/shards.js';
import { rejectionOf } from '../support/thrown.js';
import { moves } from '../support/shard-moves.js';
import { weave } from '../support/weave.js';

leavesNothingBehind();

/** Of the same actor after the death of its shard. */
function again(actor: PlayerRef) {
  return eventually(() => actor.proxy<Player>().where());
}

describe('shards that die', function () {
  this.timeout(30_000);
  const start = threadStagesAfterEach();

  async function staged(options = {}) {
    const stage = await start({ shards: 2, ...options });
    const exits: ShardExitEvent[] = [];
    stage.system.on('shardExit', (event) => exits.push(event));
    return { stage, exits, system: stage.system };
  }

  it('A6: asks reject ERR_SHARD_EXITED, shardExit is reported, the actor is back', async () => {
    const { stage, exits, system } = await staged();
    const actor = await stage.spawnPlayer({ shard: 0, name: 'n', args: [1], supervision: QUICK });
    const other = await stage.spawnPlayer({ shard: 1 });
    const { id } = actor;
    const asked = [
      rejectionOf(actor.ask(['never'])),
      rejectionOf(other.proxy<Player>().askOther(actor, ['never'])),
    ];
    actor.send(['exit', 3]);
    for (const error of await Promise.all(asked)) {
      expect(error).to.be.instanceOf(MillraceError);
      expect(error.code).to.equal('ERR_SHARD_EXITED');
      expect(error.cause).to.include({ code: 'ERR_THREAD_EXITED' });
    }
    expect(exits).to.deep.equal([{ shard: 0, code: 3, error: null }]);
    // While it is down, nothing is taken.
    expect(actor.send(['noted'])).to.equal(false);
    expect((await rejectionOf(actor.sendAsync(['noted']))).code).to.equal('ERR_SHARD_EXITED');
    expect(await again(actor)).to.include({ id, instances: 1 });
    expect(await actor.ask(['givenArgs'])).to.deep.equal([1]);
    expect(await system.lookup('n')).to.equal(actor);
    expect(await other.ask(['askOther', actor, ['echo', 1]])).to.equal(1);
    expect(stage.restarts).to.deep.equal([{ actor, attempt: 1, delayMs: 0 }]);
    expect(await other.proxy<Player>().where()).to.include({ instances: 1 });
  });

  it('A6: references in arguments mean whom they meant, also of the same shard', async () => {
    const { stage } = await staged();
    const on = { shard: 0, supervision: QUICK };
    // One that is restored after the one which knows it, and one before.
    const late = await stage.spawnPlayer({ ...on });
    const first = await stage.spawnPlayer({ ...on, args: [late] });
    const last = await stage.spawnPlayer({ ...on, args: [first] });
    const elsewhere = await stage.spawnPlayer({ shard: 1, args: [last] });
    const asked = rejectionOf(late.ask(['never']));
    late.send(['exit', 3]);
    await asked;
    for (const actor of [first, last, elsewhere]) {
      expect(await eventually(() => actor.ask(['askGiven', ['echo', 7]]))).to.equal(7);
    }
  });

  for (const how of ['ask', 'sendAsync'] as const) {
    it(`A6: ${how}() between the death and the news of it learns the cause`, async () => {
      const { stage } = await staged();
      // What it is sent is taken for as long as it lives, and its end is not dropped.
      const mailbox = { capacity: 2 ** 20, overflow: 'dropOldest' } as const;
      const actor = await stage.spawnPlayer({ shard: 0, supervision: QUICK, mailbox });
      const other = await stage.spawnPlayer({ shard: 1 });
      const error = await rejectionOf(other.proxy<Player>().killAndCall(actor, how));
      expect(error.code).to.equal('ERR_SHARD_EXITED');
      expect(error.cause).to.include({ code: 'ERR_THREAD_EXITED' });
    });
  }

  const ways: [string, string, { code: number; error: object | null }][] = [
    ['process.exit()', 'exit', { code: 5, error: null }],
    ['an error outside of callbacks', 'throwOutside', { code: 1, error: { code: 'EOUTSIDE' } }],
    ['memory', 'exhaust', { code: 1, error: { code: 'ERR_WORKER_OUT_OF_MEMORY' } }],
  ];
  for (const [what, way, expected] of ways) {
    it(`A6: by ${what}: the event says so`, async () => {
      const { stage, exits } = await staged({
        resourceLimits: { maxOldGenerationSizeMb: 40, maxYoungGenerationSizeMb: 8 },
      });
      const actor = await stage.spawnPlayer({ shard: 0, supervision: QUICK });
      const asked = rejectionOf(actor.ask(['never'], { timeoutMs: 20_000 }));
      actor.send([way, 5]);
      expect((await asked).code).to.equal('ERR_SHARD_EXITED');
      expect(exits).to.have.length(1);
      const [{ code, error }] = exits as [ShardExitEvent];
      expect(code).to.equal(expected.code);
      if (expected.error === null) expect(error).to.equal(null);
      else expect(error).to.include(expected.error);
      expect(await again(actor)).to.include({ instances: 1 });
    });
  }

  it("A6: onCrash: 'stop' stays dead; its watchers are told, its name is free", async () => {
    const { stage, system } = await staged();
    const options = { shard: 0, name: 'n', supervision: { onCrash: 'stop' } } as const;
    const actor = await stage.spawnPlayer(options);
    const watcher = await stage.spawnPlayer({ shard: 1 });
    await watcher.ask(['watchOther', actor]);
    const reason = stopOf(actor);
    actor.send(['throwOutside', 'mine']);
    const told = await reason;
    expect(told.kind).to.equal('shardExit');
    expect((told as { error: unknown }).error).to.include({ message: 'mine', code: 'EOUTSIDE' });
    await eventually(async () => {
      expect(await watcher.ask(['noted'])).to.deep.equal(['shardExit']);
    });
    expect(stage.stops.map(({ reason: { kind } }) => kind)).to.deep.equal(['shardExit']);
    expect(await system.lookup('n')).to.equal(null);
    expect(actor.send(['noted'])).to.equal(false);
    expect((await rejectionOf(actor.ask(['noted']))).code).to.equal('ERR_ACTOR_STOPPED');
    const next = await stage.spawnPlayer(options);
    expect(next.id).not.to.equal(actor.id);
    expect(await next.ask(['echo', 1])).to.equal(1);
  });

  it('A6: the budget of restarts counts deaths: used up, the actor stays dead', async () => {
    const { stage } = await staged();
    const supervision = { ...QUICK, maxRestarts: 1, withinMs: 60_000 };
    const actor = await stage.spawnPlayer({ shard: 0, supervision });
    actor.send(['exit', 1]);
    await eventually(() => expect(stage.restarts).to.have.length(1));
    await again(actor);
    const reason = stopOf(actor);
    actor.send(['exit', 1]);
    expect((await reason).kind).to.equal('shardExit');
  });

  it('A6: during the back-off of an actor its mailbox goes on filling', async () => {
    const { stage, exits } = await staged();
    const supervision = { backoffMs: 300 };
    const mailbox = { capacity: 3 };
    const actor = await stage.spawnPlayer({ shard: 0, supervision, mailbox });
    actor.send(['exit', 1]);
    await eventually(() => expect(exits).to.have.length(1));
    await eventually(() => expect(actor.send(['number', 0, 0])).to.equal(true));
    expect(stage.restarts).to.deep.equal([]);
    expect(actor.send(['number', 0, 1])).to.equal(true);
    expect(actor.send(['number', 0, 2])).to.equal(true);
    expect(actor.send(['number', 0, 3])).to.equal(false);
    await eventually(async () => expect(await actor.ask(['numbers'])).to.have.length(3));
    expect(stage.restarts).to.deep.equal([{ actor, attempt: 1, delayMs: 300 }]);
  });

  it('A6: lost messages are counted as dead letters', async () => {
    const { stage, system } = await staged();
    const refused: unknown[] = [];
    system.on('refused', (event) => refused.push(event));
    const actor = await stage.spawnPlayer({ shard: 0, mailbox: { serial: true } });
    const killer = await stage.spawnPlayer({ shard: 0 });
    await hold(actor);
    for (let index = 0; index < 5; index++) actor.send(['number', 0, index]);
    killer.send(['exit', 1]);
    await eventually(() => expect(refused).to.have.length(1));
    expect(refused[0]).to.include({ actor, reason: 'shardExit', count: 5 });
    expect((await system.metrics()).refusedStopped).to.equal(5);
  });

  it('A6: children of a dead parent stop; a living parent keeps its own', async () => {
    const { stage } = await staged();
    const parent = await stage.spawnPlayer({ shard: 0, supervision: QUICK });
    const child = await parent.ask<PlayerRef>(['child', { shard: 1 }]);
    const sibling = await parent.ask<PlayerRef>(['child', { shard: 0 }]);
    const host = await stage.spawnPlayer({ shard: 1 });
    const kept = await host.ask<PlayerRef>(['child', { shard: 0, supervision: QUICK }]);
    const reasons = Promise.all([stopOf(child), stopOf(sibling)]);
    parent.send(['exit', 1]);
    expect((await reasons).map(({ kind }) => kind)).to.deep.equal(['parent', 'shardExit']);
    await again(parent);
    await again(kept);
    const gone = stopOf(kept);
    await host.stop();
    expect((await gone).kind).to.equal('parent');
  });

  it('A6: a watch and a stop outlast the death', async () => {
    const { stage } = await staged();
    const actor = await stage.spawnPlayer({ shard: 0, supervision: QUICK });
    const reasons: string[] = [];
    actor.watch(({ kind }) => reasons.push(kind));
    actor.send(['exit', 1]);
    await eventually(() => expect(actor.send(['noted'])).to.equal(false));
    const stopped = actor.stop();
    await stopped;
    await eventually(() => expect(reasons).to.deep.equal(['stopped']));
  });

  it('A6: a constructor that fails afterwards is a crash of the actor', async () => {
    const { stage } = await staged();
    const actor = await stage.spawnPlayer({
      shard: 0,
      args: ['once', new Int32Array(new SharedArrayBuffer(4))],
      supervision: { ...QUICK, maxRestarts: 2 },
    });
    const reason = stopOf(actor);
    actor.send(['exit', 1]);
    expect((await reason).kind).to.equal('crashed');
    const kinds = stage.crashes.map(({ kind, decision }) => [kind, decision]);
    expect(kinds).to.deep.equal([
      ['constructor', 'restart'],
      ['constructor', 'restart'],
      ['constructor', 'stop'],
    ]);
  });

  it('A6: a system may stop while a shard is down', async () => {
    const { stage, exits, system } = await staged();
    const actor = await stage.spawnPlayer({ shard: 0 });
    actor.send(['exit', 1]);
    await eventually(() => expect(exits).to.have.length(1));
    const stopped = actor.stop();
    await system.stop();
    await stopped;
    expect((await rejectionOf(actor.ask(['noted']))).code).to.equal('ERR_ACTOR_STOPPED');
  });

  it('A6: 20 deaths under load, and one shard that does not notice', async function () {
    this.timeout(120_000);
    const { seed } = random();
    expect(await deaths(20, seed), `seed ${seed}`).to.deep.equal([]);
  });

  it('A7: a callback that does not return does not hold up a stop for long', async () => {
    const { stage, system } = await staged();
    const actor = await stage.spawnPlayer({ shard: 0 });
    await block(actor);
    const asked = rejectionOf(actor.ask(['noted']));
    const beganMs = performance.now();
    await system.stop({ timeoutMs: 0 });
    // 1 s for an answer, and 5 s for the thread to end; no 10 s more for its metrics.
    expect(performance.now() - beganMs).to.be.below(11_000);
    expect((await asked).code).to.equal('ERR_ACTOR_STOPPED');
  });
});

describe('shards that die while sources move between them', function () {
  this.timeout(120_000);

  it('A6: 6 deaths, and each source ends, and no descriptor is left', async () => {
    const { seed } = random();
    expect(await moves(6, seed), `seed ${seed}`).to.deep.equal([]);
  });
});

describe('shards under load', function () {
  this.timeout(120_000);

  it('C1: four shards, each to each, with pauses: first in, first out', async () => {
    const { seed } = random();
    const found = await weave({ shards: 4, senders: 8, messages: 20_000, seed });
    expect(found, `seed ${seed}`).to.deep.equal([]);
  });

  it('A7: 20 stops under full load: everything settles, nothing is left', async () => {
    const { seed } = random();
    for (let round = 0; round < 20; round++) {
      expect(await stopUnderLoad(seed + round), `seed ${seed + round}`).to.deep.equal([]);
    }
  });
});
