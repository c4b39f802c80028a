/**
 * Goal: whatever actors are asked to be, to take or to do, by whomever and in
 * whatever thread, the caller is told by a typed error, and nothing else changes.
 *
 * Method: a system with two worker threads. Every mistake is made from home and
 * from each of the threads, with each of the three as the place where it shows.
 */
import { expect } from 'chai';
import { type ActorRef, ActorSystem, MillraceError, type SpawnOptions } from '../../src/index.js';
import type { Act, Player } from '../fixtures/actors/player.js';
import { eventually } from '../support/eventually.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { PLAYER, type PlayerRef } from '../support/shards.js';
import { rejectionOf, type Thrown } from '../support/thrown.js';

leavesNothingBehind();

const SHARDS = [0, 1, 2] as const;
const HOME = 2;

/** Spawns; of a thread by an actor that lives there. */
interface Caller {
  readonly name: string;
  readonly shard: number;
  spawn(module: URL, options: SpawnOptions): Promise<ActorRef<Act>>;
  ask(other: ActorRef<Act>): Promise<unknown>;
}

describe('actors that cannot be', function () {
  this.timeout(20_000);
  let system: ActorSystem;
  let players: PlayerRef[];
  let callers: Caller[];

  beforeEach('starts a system with an actor in each thread', async () => {
    system = await ActorSystem.start({ shards: HOME });
    players = await Promise.all(SHARDS.map((shard) => system.spawn<Act>(PLAYER, { shard })));
    callers = [
      {
        name: 'the system',
        shard: HOME,
        spawn: (module, options) => system.spawn(module, options),
        ask: (other) => other.ask(['noted']),
      },
      ...players.map((player, shard) => ({
        name: `an actor of shard ${shard}`,
        shard,
        spawn: (module: URL, options: SpawnOptions) =>
          player.proxy<Player>().childOf(module.href, options) as Promise<ActorRef<Act>>,
        ask: (other: ActorRef<Act>) => player.proxy<Player>().askOther(other, ['noted']),
      })),
    ];
  });

  afterEach('finds nothing changed, and stops it', async () => {
    expect((await system.metrics()).actors).to.equal(players.length);
    expect((await system.metrics()).pendingMessages).to.equal(0);
    for (const player of players) expect(await player.ask(['echo', 1])).to.equal(1);
    await system.stop();
  });

  /** By each caller, in each shard, under a name that must be free afterwards. */
  async function everywhere(
    module: URL,
    options: SpawnOptions,
    check: (error: Thrown, caller: Caller, shard: number) => void,
  ): Promise<void> {
    for (const caller of callers) {
      for (const shard of SHARDS) {
        check(
          await rejectionOf(caller.spawn(module, { ...options, shard, name: 'n' })),
          caller,
          shard,
        );
        expect(await system.lookup('n')).to.equal(null);
      }
    }
  }

  const modules: [what: string, file: string, options: SpawnOptions, code: string][] = [
    ['there is none', 'missing.js', {}, 'ERR_MODULE_NOT_FOUND'],
    ['it exports no handler', 'none.js', {}, 'ERR_NO_HANDLER_CLASS'],
    ['it has no such export', 'several.js', { export: 'Third' }, 'ERR_NO_HANDLER_CLASS'],
    ['the export is no handler', 'counter.js', { export: 'NOT_A_HANDLER' }, 'ERR_NOT_A_HANDLER'],
    ['it has two, and none is named', 'several.js', {}, 'ERR_AMBIGUOUS_EXPORT'],
    ['it throws when imported', 'throwing.js', {}, 'ERR_MODULE_FAILED'],
  ];
  for (const [what, file, options, code] of modules) {
    it(`A1: a module, but ${what}: ${code}`, () =>
      everywhere(new URL(file, PLAYER), options, (error, { name }, shard) => {
        expect(error, `${name}, ${shard}`).to.be.instanceOf(MillraceError).and.include({ code });
      }));
  }

  it('A1: a constructor that throws: its own error, whole', () =>
    everywhere(new URL('unwilling.js', PLAYER), { export: 'Unmade' }, (error, { name }, shard) => {
      const expected = { message: 'not constructed', code: 'EMINE' };
      expect(error, `${name}, ${shard}`).to.be.instanceOf(TypeError).and.include(expected);
    }));

  it('A2: started() rejects: the actor is there, crashes, and is gone', async () => {
    const crashes: string[] = [];
    system.on('crash', ({ shard, kind, error, decision }) => {
      crashes.push(`${shard} ${kind} ${(error as Thrown).code} ${decision}`);
    });
    const options = { export: 'Unstarted', supervision: { onCrash: 'stop' } } as const;
    for (const caller of callers) {
      for (const shard of SHARDS) {
        const actor = await caller.spawn(new URL('unwilling.js', PLAYER), { ...options, shard });
        expect((await rejectionOf(caller.ask(actor))).code).to.equal('ERR_ACTOR_STOPPED');
        await eventually(() =>
          expect(crashes.splice(0)).to.have.length(1).and.to.include(`${shard} started EMINE stop`),
        );
      }
    }
    await eventually(async () => expect((await system.metrics()).actors).to.equal(3));
  });

  it('C4: arguments that cannot be cloned: at the caller, if they cross threads', async () => {
    for (const caller of callers) {
      for (const shard of SHARDS) {
        const spawned = caller.spawn(PLAYER, { shard, name: 'n', args: [() => {}] });
        // Home places all actors: only what it asks of itself crosses no thread.
        if (caller.shard === HOME && shard === HOME) await (await spawned).stop();
        else expect((await rejectionOf(spawned)).name, caller.name).to.equal('DataCloneError');
        expect(await system.lookup('n')).to.equal(null);
      }
    }
  });

  it('C4: messages that cannot be cloned: at the sender, whichever way they go', async () => {
    for (const from of SHARDS) {
      for (const to of SHARDS) {
        const fates = await players[from].proxy<Player>().offerFunction(players[to]);
        const expected = from === to ? 'taken' : 'DataCloneError';
        expect(fates, `${from} to ${to}`).to.deep.equal([expected, expected, expected]);
      }
    }
  });

  it('A1: a name for which all ask at once is given to one of them', async () => {
    for (const shard of SHARDS) {
      const wishes = [...callers, ...callers].map((caller) =>
        caller.spawn(PLAYER, { shard, name: 'wanted' }),
      );
      const fates = await Promise.allSettled(wishes);
      const given = fates.filter((fate) => fate.status === 'fulfilled');
      const codes = fates.flatMap((fate) =>
        fate.status === 'rejected' ? [(fate.reason as Thrown).code] : [],
      );
      expect(given).to.have.length(1);
      expect(codes).to.deep.equal(Array(wishes.length - 1).fill('ERR_NAME_TAKEN'));
      const [{ value: actor }] = given;
      expect(await system.lookup('wanted')).to.equal(actor);
      await actor.stop();
      expect(await system.lookup('wanted')).to.equal(null);
    }
  });

  it('A5: asks to the dead: ERR_ACTOR_STOPPED, whoever asks', async () => {
    for (const shard of SHARDS) {
      const actor = await system.spawn<Act>(PLAYER, { shard });
      await actor.stop();
      for (const caller of callers) {
        const error = await rejectionOf(caller.ask(actor));
        expect(error, `${caller.name}, ${shard}`).to.be.instanceOf(MillraceError);
        expect(error.code, `${caller.name}, ${shard}`).to.equal('ERR_ACTOR_STOPPED');
      }
    }
  });
});
