/** Actors of nact, doing the same. */
import * as nact from 'nact';
import {
  type ActorRequest,
  ASKS,
  check,
  rateOfBatches,
  SPAWNS,
  Tally,
  TELLS,
} from './actor-protocol.js';
import { serve } from './protocol.js';

/** Its declarations do not know of module resolution by package exports. */
interface Nact {
  readonly start: () => Ref;
  readonly spawn: (
    parent: Ref,
    handler: (state: unknown, message: Message) => unknown,
    name?: string,
  ) => Ref;
  readonly dispatch: (actor: Ref, message: unknown) => void;
  readonly query: (
    actor: Ref,
    message: (sender: Ref) => Message,
    timeoutMs: number,
  ) => Promise<number>;
  readonly stop: (actor: Ref) => void;
}

type Ref = { readonly brand: unique symbol };
type Message = { readonly amount: number; readonly sender?: Ref };

const ASK_TIMEOUT_MS = 5000;

const { start, spawn, dispatch, query, stop } = nact as unknown as Nact;
const tally = new Tally();
const system = start();
let successors = 0;
const counter = spawn(system, (state, { amount }) => {
  tally.add(amount);
  return state;
});
const successor = spawnSuccessor();

serve(({ measure, ms }: ActorRequest) => {
  if (measure === 'tell') return rateOfBatches(ms, TELLS, tell);
  if (measure === 'askOne') return rateOfBatches(ms, 1, () => ask(1));
  if (measure === 'askMany') return rateOfBatches(ms, ASKS, () => ask(ASKS));
  if (measure === 'spawn') return spawnRate(ms);
  throw new Error('memory is asked of Millrace only');
});

/** Named, since the names that nact draws at random collide among so many, and it throws then. */
function spawnSuccessor(): Ref {
  successors += 1;
  const answer = (state: unknown, { amount, sender }: Message): unknown => {
    if (sender !== undefined) dispatch(sender, amount + 1);
    return state;
  };
  return spawn(system, answer, `successor-${successors}`);
}

async function tell(): Promise<void> {
  const handled = tally.await(TELLS);
  for (let sent = 0; sent < TELLS; sent++) dispatch(counter, { amount: 1 });
  await handled;
}

async function ask(count: number): Promise<void> {
  const answers: Promise<number>[] = [];
  for (let asked = 0; asked < count; asked++) {
    answers.push(query(successor, (sender) => ({ amount: asked, sender }), ASK_TIMEOUT_MS));
  }
  for (const [asked, answer] of (await Promise.all(answers)).entries()) check(answer, asked + 1);
}

async function spawnRate(ms: number): Promise<{ count: number; elapsedMs: number }> {
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < ms) {
    const begin = performance.now();
    const actors = Array.from({ length: SPAWNS }, spawnSuccessor);
    elapsedMs += performance.now() - begin;
    count += SPAWNS;
    const last = actors.at(-1) as Ref;
    check(await query(last, (sender) => ({ amount: 1, sender }), ASK_TIMEOUT_MS), 2);
    for (const actor of actors) stop(actor);
  }
  return { count, elapsedMs };
}
