/**
 * The director: runs the show on a loop of its own. It takes the leader down
 * and brings it back, has the screen drawn, and ends the run in good order.
 *
 * It speaks to the nodes through their channels, as any other thread could.
 * What they report comes to it by plain calls, since all loops share this
 * thread: so the referee sees events in the very order in which they happened.
 */
import { type EventLoop, Handler, type Sender } from 'millrace';
import { ELECTION_MAX_MS, type NodeEvent, nodeName } from './contract.js';
import { describeElection, describeEvent, describeScore, type RunFacts } from './narrator.js';
import type { NodeCommand, NodeLoop, RaftNode } from './node.js';
import { Referee } from './referee.js';
import type { Screen } from './screen.js';

/** A leader stays down for half the time until the next one is taken down, but not for longer. */
const DOWN_MS_MAX = 2000;

/** Two rounds of an election that goes badly. */
const LAST_TAKE_DOWN_MS = 2 * ELECTION_MAX_MS;

export type DirectorCommand = 'quit';
export type DirectorTimer = 'takeDown' | 'bringBack' | 'draw' | 'end';
export type DirectorLoop = EventLoop<DirectorCommand, DirectorTimer>;

export interface Member {
  node: RaftNode;
  loop: NodeLoop;
  sender: Sender<NodeCommand>;
}

export interface Schedule {
  runMs: number;
  crashEveryMs: number;
}

export class Director extends Handler<DirectorCommand, DirectorTimer> {
  readonly #members: readonly Member[];
  readonly #schedule: Schedule;
  readonly #screen: Screen;
  readonly #startMs: number;
  readonly #referee: Referee;
  #downNode: number | null = null;
  #hasEnded = false;

  constructor(loop: DirectorLoop, members: readonly Member[], schedule: Schedule, screen: Screen) {
    super();
    this.#members = members;
    this.#schedule = schedule;
    this.#screen = screen;
    this.#startMs = loop.now();
    this.#referee = new Referee(this.#startMs);
  }

  start(loop: DirectorLoop): void {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) loop.registerSignal(signal);
    loop.timeout('end', this.#schedule.runMs);
    loop.interval('takeDown', this.#schedule.crashEveryMs);
    loop.interval('draw', this.#screen.drawPeriodMs);
    for (const { sender } of this.#members) sender.send('start');
  }

  /** What the nodes report. */
  observe(event: NodeEvent): void {
    // The nodes go down at the end as well; that is no news.
    if (this.#hasEnded) return;
    const sentence = describeEvent(event);
    if (sentence !== null) this.#note(event.atMs, sentence);
    const election = this.#referee.observe(event);
    if (election !== null) this.#note(event.atMs, describeElection(election));
  }

  facts(loop: DirectorLoop): RunFacts {
    const nowMs = loop.now();
    const nodes = this.#members.map(({ node }) => node.status(nowMs));
    return { ranMs: nowMs - this.#startMs, verdict: this.#referee.verdict(), nodes };
  }

  override notify(loop: DirectorLoop): void {
    this.#end(loop);
  }

  override signal(loop: DirectorLoop): void {
    this.#end(loop);
  }

  override timeout(loop: DirectorLoop, timer: DirectorTimer): void {
    if (timer === 'takeDown') this.#takeDown(loop);
    else if (timer === 'bringBack') this.#bringBack();
    else if (timer === 'draw') this.#draw(loop);
    else this.#end(loop);
  }

  #takeDown(loop: DirectorLoop): void {
    const node = this.#referee.settledLeader;
    // With the votes still split there is nobody to take down; the next turn will do.
    if (node === null || this.#downNode !== null) return;
    // Nor in the last moments: the election that follows should be seen to its end.
    const leftMs = this.#startMs + this.#schedule.runMs - loop.now();
    if (leftMs < LAST_TAKE_DOWN_MS) return;
    this.#note(loop.now(), `the director takes down ${nodeName(node)}, the leader`);
    this.#downNode = node;
    this.#members[node].sender.send('crash');
    loop.timeout('bringBack', Math.min(this.#schedule.crashEveryMs / 2, DOWN_MS_MAX));
  }

  #bringBack(): void {
    if (this.#downNode !== null) this.#members[this.#downNode].sender.send('start');
    this.#downNode = null;
  }

  #draw(loop: DirectorLoop): void {
    const { ranMs, verdict, nodes } = this.facts(loop);
    const { runMs } = this.#schedule;
    this.#screen.draw({ elapsedMs: ranMs, runMs, nodes, score: describeScore(verdict) });
  }

  #end(loop: DirectorLoop): void {
    this.#hasEnded = true;
    for (const { sender } of this.#members) sender.send('stop');
    loop.shutdown();
  }

  #note(atMs: number, sentence: string): void {
    this.#screen.note(atMs - this.#startMs, sentence);
  }
}
