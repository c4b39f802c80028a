/** The inside of a pool's thread, on this one: what it answers, when, and what it claims. */
import { expect } from 'chai';
import { forgetMoved, movedWith, transfer } from '../../../src/channel/transfer.js';
import { Claim, CLAIMS, Claims } from '../../../src/compute/claims.js';
import { type Answer, type Call, Outcome } from '../../../src/compute/messages.js';
import { reportProgress } from '../../../src/compute/report-progress.js';
import { TaskRunner } from '../../../src/compute/task-runner.js';
import type { Sender } from '../../../src/loop/sender.js';
import { eventually } from '../../support/eventually.js';
import { thrownBy } from '../../support/thrown.js';

const TASKS = new URL('../../fixtures/compute/tasks.js', import.meta.url).href;
const NAMES = ['echo', 'addLater', 'fail', 'failLater', 'uncloneable', 'count', 'never', 'missing'];

describe('TaskRunner', () => {
  let claims: Claims;
  let answers: Answer[];
  let moved: (ReadonlySet<unknown> | undefined)[];
  /** What {@link Claims.look} said when the answer was sent, and after the callback. */
  let claimsSeen: Claim[];
  let runner: TaskRunner;
  let position: number;
  /** Values that the channel does not take. */
  let refuses: (value: unknown) => boolean;
  let onAnswer: () => void;

  beforeEach(() => {
    claims = new Claims();
    answers = [];
    moved = [];
    claimsSeen = [];
    position = 0;
    refuses = () => false;
    onAnswer = () => {};
    const pool = {
      send: (answer: Answer) => {
        if (refuses(answer.value)) throw new DOMException('not that', 'DataCloneError');
        answers.push(answer);
        claimsSeen.push(claims.look(answer.position));
        moved.push(movedWith(answer));
        forgetMoved(answer);
        queueMicrotask(onAnswer);
        return true;
      },
    };
    runner = new TaskRunner({ thread: 4, claims, pool: pool as unknown as Sender<Answer> });
    for (const [target, name] of NAMES.entries()) {
      runner.notify(null, { target, href: TASKS, name });
    }
  });

  /** Sends a call, as the pool does; returns its position. */
  function call(name: string, args: unknown[], more: Partial<Call> = {}): number {
    claims.offer(position);
    const target = NAMES.indexOf(name);
    runner.notify(null, { position, target, reports: false, isRelayed: false, args, ...more });
    return position++;
  }

  const outcomes = () => answers.map(({ position: at, outcome }) => [at, outcome]);
  const answered = (count: number) =>
    eventually(() => {
      expect(answers).to.have.length(count);
    });

  it('answers with thread, position, value and times, and then ends the claim', async () => {
    call('echo', ['x']);
    await answered(1);
    const { beganMs, tookMs, ...rest } = answers[0];
    expect(rest).to.deep.equal({
      thread: 4,
      position: 0,
      outcome: Outcome.RETURNED,
      value: 'x',
      moved: null,
    });
    expect(beganMs).to.be.above(0);
    expect(tookMs).to.be.within(0, 10_000);
    // Who sees it ended can rely on finding the answer.
    expect(claimsSeen).to.deep.equal([Claim.RUNNING]);
    expect(claims.look(0)).to.equal(Claim.RETURNED);
    expect([claims.hasRoom(CLAIMS, 0), claims.hasRoom(CLAIMS + 1, 0)]).to.deep.equal([true, false]);
  });

  it('runs one at a time, in the order in which they came, whatever they wait for', async () => {
    call('addLater', [1, 2]);
    call('echo', ['behind it']);
    call('addLater', [3, 4]);
    call('fail', []);
    call('echo', ['last']);
    expect(answers).to.deep.equal([]);
    await answered(5);
    expect(answers.map(({ position: at }) => at)).to.deep.equal([0, 1, 2, 3, 4]);
    // The function is known now, and nothing is under way: at once.
    call('echo', ['at once']);
    expect(answers.at(-1)?.value).to.equal('at once');
  });

  it('P3: what throws, rejects or is not there is answered so, and the next is run', async () => {
    for (const name of ['fail', 'failLater', 'missing', 'echo']) call(name, [1]);
    await answered(4);
    expect(outcomes()).to.deep.equal([
      [0, Outcome.THREW],
      [1, Outcome.THREW],
      [2, Outcome.THREW],
      [3, Outcome.RETURNED],
    ]);
    const codes = answers.slice(0, 3).map(({ value }) => (value as { code: string }).code);
    expect(codes).to.deep.equal(['ERR_LOOP_CLOSED', 'ERR_LOOP_CLOSED', 'ERR_NO_SUCH_FUNCTION']);
    expect([0, 1, 2, 3].map((at) => claims.look(at))).to.deep.equal([
      Claim.THREW,
      Claim.THREW,
      Claim.THREW,
      Claim.RETURNED,
    ]);
  });

  it('P2: what was recalled is passed over, and its claim free for another', async () => {
    call('addLater', [1, 2]);
    call('echo', ['recalled']);
    call('echo', ['run']);
    expect(claims.recall(1)).to.equal(true);
    await answered(2);
    expect(outcomes()).to.deep.equal([
      [0, Outcome.RETURNED],
      [2, Outcome.RETURNED],
    ]);
    expect(claims.look(1)).to.equal(Claim.RECALLED);
    claims.offer(position);
    claims.recall(position);
    runner.notify(null, { position, target: 0, reports: false, isRelayed: false, args: [] });
    expect([claims.hasRoom(CLAIMS + 3, 0), claims.hasRoom(CLAIMS + 4, 0)]).to.deep.equal([
      true,
      false,
    ]);
  });

  it('P1: what came meanwhile is run in turn, though it never runs out', async () => {
    const total = 4 * CLAIMS;
    onAnswer = () => {
      if (position < total) call('echo', [Promise.resolve(position)]);
    };
    for (let count = 0; count < 20; count++) call('echo', [Promise.resolve(count)]);
    await answered(total);
    const values = answers.map(({ value }) => value);
    expect(values).to.deep.equal(Array.from({ length: total }, (_, index) => index));
  });

  it('P3: a result that cannot be sent fails its task, with what can be said of it', async () => {
    refuses = (value) => typeof value === 'object' && value !== null && 'callback' in value;
    call('uncloneable', []);
    await answered(1);
    expect(outcomes()).to.deep.equal([[0, Outcome.THREW]]);
    expect((answers[0].value as Error).name).to.equal('DataCloneError');
    expect(claims.look(0)).to.equal(Claim.THREW);
    // Neither the error of the task nor that of the channel: a description of what was thrown.
    refuses = (value) => (value as { code?: string }).code !== undefined;
    call('fail', []);
    await answered(2);
    expect(answers[1].outcome).to.equal(Outcome.THREW);
    expect((answers[1].value as Error).message).to.contain('a task has failed');
    // Nothing of what there is: a description of the last error.
    refuses = (value) => !(value instanceof Error) || value instanceof DOMException;
    call('echo', [1]);
    await answered(3);
    expect(answers[2].outcome).to.equal(Outcome.THREW);
    expect((answers[2].value as Error).message).to.contain('not that');
    refuses = () => false;
    call('echo', [1]);
    await answered(4);
  });

  it('a task is over when it has ended, for what it reports too', async () => {
    call('count', [1], { reports: true });
    await answered(2);
    expect(thrownBy(() => reportProgress(1)).code).to.equal('ERR_NOT_IN_TASK');
  });

  it('reports come before the result, if somebody listens, and not when given up', async () => {
    call('count', [2]);
    call('count', [2], { reports: true });
    await answered(4);
    expect(outcomes()).to.deep.equal([
      [0, Outcome.RETURNED],
      [1, Outcome.PROGRESS],
      [1, Outcome.PROGRESS],
      [1, Outcome.RETURNED],
    ]);
    expect(claimsSeen.slice(1)).to.deep.equal([Claim.RUNNING, Claim.RUNNING, Claim.RUNNING]);
    claims.giveUp();
    call('count', [2], { reports: true });
    await answered(5);
    expect(answers.at(-1)?.outcome).to.equal(Outcome.RETURNED);
  });

  it('a report that cannot be sent fails the task, and is none that is unread', async () => {
    refuses = (value) => value === 1;
    const before = new Int32Array(claims.buffer).slice(16, 17)[0];
    call('count', [2], { reports: true });
    await answered(1);
    expect(answers[0].outcome).to.equal(Outcome.THREW);
    expect(new Int32Array(claims.buffer)[16]).to.equal(before);
  });

  it('a result moves what it names, and the pool is told of it where it moves it on', async () => {
    for (const isRelayed of [false, true]) {
      const bytes = new Uint8Array(8);
      const count = answers.length;
      call('echo', [transfer(bytes, [bytes.buffer])], { isRelayed });
      await answered(count + 1);
      expect([...moved.at(-1)!]).to.deep.equal([bytes.buffer]);
      expect(answers.at(-1)?.moved).to.deep.equal(isRelayed ? [bytes.buffer] : null);
      expect(movedWith(bytes)).to.equal(undefined);
    }
  });
});
