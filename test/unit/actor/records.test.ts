/** What becomes of the actors of a shard that has died: rule A6. */
import { expect } from 'chai';
import type { ActorRef } from '../../../src/actor/actor-ref.js';
import { type LostActor, type Origin, Records } from '../../../src/actor/records.js';
import type { SupervisionPolicy } from '../../../src/actor/supervision.js';

const POLICY: SupervisionPolicy = {
  onCrash: 'restart',
  maxRestarts: 2,
  withinMs: 5000,
  backoffMs: 100,
  backoffMaxMs: 5000,
};

/** A reference to an actor that was placed in that shard. */
function actorIn(shard: number, slot: number): ActorRef {
  return { shard, place: () => ({ slot, generation: 7 }) } as unknown as ActorRef;
}

function origin(
  policy: Partial<SupervisionPolicy> = {},
  more: { parent?: ActorRef; moved?: unknown[] } = {},
): Origin {
  const { parent, moved = [] } = more;
  const options = { supervision: { ...POLICY, ...policy }, moved };
  return {
    href: 'file:///actor.js',
    options: options as unknown as Origin['options'],
    parent: parent === undefined ? null : [parent, 1, 1],
    isOrphan: false,
  };
}

const actorsOf = (lost: readonly LostActor[]) => lost.map(({ actor }) => actor);

describe('Records', () => {
  let records: Records;

  beforeEach(() => {
    records = new Records(2);
  });

  it('A6: an actor lives again where it was, as often as its policy says, and then is lost', () => {
    const actor = actorIn(1, 5);
    const its = origin();
    records.add(actor, its);
    const restored = { slot: 5, generation: 7, href: its.href, options: its.options, parent: null };
    expect(records.decide(1, 1000)).to.deep.equal({
      restored: [{ ...restored, attempt: 1, delayMs: 100 }],
      lost: [],
    });
    expect(records.decide(1, 1200)).to.deep.equal({
      restored: [{ ...restored, attempt: 2, delayMs: 200 }],
      lost: [],
    });
    const last = records.decide(1, 1500);
    expect(last).to.deep.equal({ restored: [], lost: [{ actor, parent: null, escalates: false }] });
    expect(records.decide(1, 100_000)).to.deep.equal({ restored: [], lost: [] });
  });

  it('A6: the other shards do not notice', () => {
    const [here, there] = [actorIn(0, 1), actorIn(1, 1)];
    for (const actor of [here, there]) records.add(actor, origin({ onCrash: 'stop' }));
    expect(actorsOf(records.decide(1, 0).lost)).to.deep.equal([there]);
    expect(actorsOf(records.loseAll(0))).to.deep.equal([here]);
  });

  it("A6: 'stop' stays dead, 'resume' has nothing to resume and begins anew", () => {
    const [stopping, resuming] = [actorIn(0, 1), actorIn(0, 2)];
    records.add(stopping, origin({ onCrash: 'stop' }));
    records.add(resuming, origin({ onCrash: 'resume', maxRestarts: 1 }));
    const { restored, lost } = records.decide(0, 0);
    expect(actorsOf(lost)).to.deep.equal([stopping]);
    expect(restored.map(({ slot, attempt }) => [slot, attempt])).to.deep.equal([[2, 1]]);
    expect(actorsOf(records.decide(0, 1).lost)).to.deep.equal([resuming]);
  });

  it("A11: 'escalate' goes to its parent, unless the shard is not started any more", () => {
    const parent = actorIn(1, 9);
    const child = actorIn(0, 1);
    records.add(child, origin({ onCrash: 'escalate' }, { parent }));
    expect(records.loseAll(0)).to.deep.equal([
      { actor: child, parent: [parent, 1, 1], escalates: false },
    ]);
    records.add(child, origin({ onCrash: 'escalate' }, { parent }));
    expect(records.decide(0, 0).lost).to.deep.equal([
      { actor: child, parent: [parent, 1, 1], escalates: true },
    ]);
  });

  it('A6: what was spawned by an instance that has died, or with what was moved, is lost', () => {
    const [orphan, child, laden] = [actorIn(0, 1), actorIn(0, 2), actorIn(0, 3)];
    records.add(orphan, origin({}, { parent: actorIn(1, 1) }));
    records.add(child, origin({}, { parent: actorIn(0, 4) }));
    records.add(laden, origin({}, { moved: [new ArrayBuffer(1)] }));
    records.orphan(1);
    const { restored, lost } = records.decide(0, 0);
    expect(restored.map(({ slot }) => slot)).to.deep.equal([2]);
    expect(actorsOf(lost)).to.have.members([orphan, laden]);
  });

  it('one that stopped is forgotten, and all are when the shard is not started any more', () => {
    const [gone, left] = [actorIn(0, 1), actorIn(0, 2)];
    for (const actor of [gone, left]) records.add(actor, origin());
    records.delete(gone);
    records.delete(gone);
    expect(actorsOf(records.loseAll(0))).to.deep.equal([left]);
    expect(records.decide(0, 0)).to.deep.equal({ restored: [], lost: [] });
    expect(records.loseAll(0)).to.deep.equal([]);
  });
});
