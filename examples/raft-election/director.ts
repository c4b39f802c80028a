/**
 * The director: runs the show from the main thread. It spreads the nodes over
 * the shards of the system, takes the leader down and brings it back, has the
 * screen drawn, and ends the run in good order.
 *
 * The nodes are its children: they stop with it, and a mistake in one of them
 * is one of its own. It speaks to them by their references, sending commands
 * and calling methods, with no regard to where they run.
 */
import { type ActorContext, type ActorRef, Handler, MillraceError } from 'millrace';
import { ELECTION_MAX_MS, nodeName, type PlacedStatus } from './contract.js';
import { type JournalEntry, JournalReader, openJournal } from './journal.js';
import { describeElection, describeEvent, describeScore, type RunFacts } from './narrator.js';
import type { NodeCommand, RaftNode } from './node.js';
import { Referee } from './referee.js';
import type { Screen } from './screen.js';

/** What the shards import. */
const NODE_MODULE = new URL('./node.js', import.meta.url);

/** A leader stays down for half the time until the next one is taken down, but not for longer. */
const DOWN_MS_MAX = 2000;

/** Two rounds of an election that goes badly. */
const LAST_TAKE_DOWN_MS = 2 * ELECTION_MAX_MS;

export type DirectorMessage = JournalEntry | 'quit';
type DirectorTimer = 'takeDown' | 'bringBack' | 'draw' | 'end';
type DirectorContext = ActorContext<DirectorMessage, DirectorTimer>;

export interface Schedule {
  runMs: number;
  nodes: number;
  crashEveryMs: number;
}

export class Director extends Handler<DirectorMessage, DirectorTimer> {
  readonly #schedule: Schedule;
  readonly #screen: Screen;
  readonly #ended: (facts: RunFacts) => void;
  readonly #nodes: ActorRef<NodeCommand>[] = [];
  readonly #journal = new JournalReader();
  /** The clock of a run starts when its nodes are told to. */
  #startMs = 0;
  #referee = new Referee(0);
  #downNode: ActorRef<NodeCommand> | null = null;
  #isDrawing = false;
  #hasEnded = false;

  /** `ended` is called once, when the run is over and the nodes have given their figures. */
  constructor(schedule: Schedule, screen: Screen, ended: (facts: RunFacts) => void) {
    super();
    this.#schedule = schedule;
    this.#screen = screen;
    this.#ended = ended;
  }

  override async started(context: DirectorContext): Promise<void> {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) context.registerSignal(signal);
    await this.#assemble(context);
    if (this.#hasEnded) return;
    this.#startMs = context.now();
    this.#referee = new Referee(this.#startMs);
    context.timeout('end', this.#schedule.runMs);
    context.interval('takeDown', this.#schedule.crashEveryMs);
    context.interval('draw', this.#screen.drawPeriodMs);
    for (const node of this.#nodes) node.send('start');
  }

  override notify(context: DirectorContext, message: DirectorMessage): unknown {
    if (message === 'quit') return this.#end(context);
    for (const entry of this.#journal.take(message)) this.#observe(entry);
    return undefined;
  }

  override signal(context: DirectorContext): unknown {
    return this.#end(context);
  }

  override timeout(context: DirectorContext, timer: DirectorTimer): unknown {
    if (timer === 'draw') return this.#draw(context);
    if (timer === 'end') return this.#end(context);
    if (timer === 'takeDown') this.#takeDown(context);
    else this.#bringBack();
    return undefined;
  }

  /** All nodes are bound before any is started: each must know where the others are. */
  async #assemble(context: DirectorContext): Promise<void> {
    const journal = openJournal(context.self);
    for (let id = 0; id < this.#schedule.nodes; id++) {
      const node = await context.spawn<NodeCommand>(NODE_MODULE, {
        args: [id, journal],
        // A restart would lose the vote that a node has given: better no result than that one.
        supervision: { onCrash: 'escalate' },
      });
      this.#nodes.push(node);
    }
    const proxies = this.#nodes.map((node) => node.proxy<RaftNode>());
    const addresses = await Promise.all(proxies.map((node) => node.bind()));
    await Promise.all(proxies.map((node) => node.join(addresses)));
  }

  #observe({ event, writtenMs }: JournalEntry): void {
    if (this.#hasEnded) return;
    const sentence = describeEvent(event);
    if (sentence !== null) this.#note(event.atMs, sentence);
    const election = this.#referee.observe(event, writtenMs);
    if (election !== null) this.#note(event.atMs, describeElection(election));
  }

  #takeDown(context: DirectorContext): void {
    const id = this.#referee.settledLeader;
    // With the votes still split there is nobody to take down; the next turn will do.
    if (id === null || this.#downNode !== null || this.#hasEnded) return;
    // Nor in the last moments: the election that follows should be seen to its end.
    const leftMs = this.#startMs + this.#schedule.runMs - context.now();
    if (leftMs < LAST_TAKE_DOWN_MS) return;
    this.#note(context.now(), `the director takes down ${nodeName(id)}, the leader`);
    this.#downNode = this.#nodes[id];
    this.#downNode.send('crash');
    context.timeout('bringBack', Math.min(this.#schedule.crashEveryMs / 2, DOWN_MS_MAX));
  }

  #bringBack(): void {
    this.#downNode?.send('start');
    this.#downNode = null;
  }

  /** A node that is slow to answer is not asked again meanwhile. */
  async #draw(context: DirectorContext): Promise<void> {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    try {
      this.#show(context, await this.#look(context));
    } catch (error) {
      // The process was stopped for a while (Ctrl-Z, say) just now: the next drawing will do.
      if (!isLate(error)) throw error;
    } finally {
      this.#isDrawing = false;
    }
  }

  #show(context: DirectorContext, nodes: readonly PlacedStatus[]): void {
    if (this.#hasEnded) return;
    const elapsedMs = context.now() - this.#startMs;
    const { runMs } = this.#schedule;
    const score = describeScore(this.#referee.verdict());
    this.#screen.draw({ elapsedMs, runMs, nodes, score });
  }

  async #end(context: DirectorContext): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const ranMs = this.#startMs === 0 ? 0 : context.now() - this.#startMs;
    const nodes = await this.#look(context);
    this.#ended({ ranMs, verdict: this.#referee.verdict(), nodes });
  }

  #look(context: DirectorContext): Promise<PlacedStatus[]> {
    const nowMs = context.now();
    const looks = this.#nodes.map(async (node) => {
      const status = await node.proxy<RaftNode>().status(nowMs);
      return { ...status, shard: node.shard };
    });
    return Promise.all(looks);
  }

  #note(atMs: number, sentence: string): void {
    this.#screen.note(atMs - this.#startMs, sentence);
  }
}

function isLate(error: unknown): boolean {
  return error instanceof MillraceError && error.code === 'ERR_ASK_TIMEOUT';
}
