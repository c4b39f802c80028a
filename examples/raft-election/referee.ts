/**
 * The referee: watches what the nodes report, times the elections and looks
 * for what must never happen.
 *
 * What is measured, exactly:
 * - An election begins when the leader is taken down (the first one: when the
 *   referee begins to watch) and ends when the new leader's heartbeats have
 *   reached a majority of the living nodes, the leader itself counted.
 * - A round is a term that somebody campaigned for. A second round in one
 *   election means that the votes of the first were split, or came too late.
 * - A false election is a campaign against a leader who was up and had sent
 *   heartbeats within the shortest election timeout. If the leader was up but
 *   had been silent for longer (say, its machine was stalled), then the
 *   campaign was right; such elections are counted as `late`. What counts is
 *   the clock reading by which the candidate's timer was found to be due: a
 *   heartbeat that was sent later, be it before the campaign, could not be
 *   known to the candidate.
 * - Two leaders in one term: found by comparing the senders of all heartbeats,
 *   as sent and as received, with whom the term belongs to.
 */
import { ELECTION_MIN_MS, type NodeEvent, nodeName } from './contract.js';

/** Why a leader was needed. `overtaken`: by one who campaigned before the first heartbeat. */
export type ElectionCause = 'start' | 'takenDown' | 'late' | 'false' | 'overtaken';

export interface Election {
  cause: ElectionCause;
  leader: number;
  term: number;
  rounds: number;
  tookMs: number;
  /** Nodes that had heard of the leader at the end, itself included, and nodes up. */
  heardBy: number;
  living: number;
}

export interface Verdict {
  elections: readonly Election[];
  /** Campaigns against a leader who had done nothing wrong. */
  falseElections: number;
  /** One sentence for each term that had two leaders. */
  violations: readonly string[];
  /** No false election, never two leaders in a term, and somebody did lead. */
  isHealthy: boolean;
}

interface Leader {
  node: number;
  term: number;
  electedMs: number;
  /** By when its latest heartbeats were sent, in ascending order. */
  sentMs: number[];
}

/** Heartbeats of a leader to look back on: more than are sent while a thread is halted. */
const HEARTBEATS_KEPT = 100;

interface OpenElection {
  cause: ElectionCause;
  sinceMs: number;
  terms: Set<number>;
  heardBy: Set<number>;
}

export class Referee {
  readonly #living = new Set<number>();
  readonly #leaderOfTerm = new Map<number, number>();
  readonly #elections: Election[] = [];
  readonly #violations: string[] = [];
  #falseElections = 0;
  #leader: Leader | null = null;
  #open: OpenElection | null;

  constructor(startMs: number) {
    this.#open = openElection('start', startMs);
  }

  /** The leader whom a majority of the living has heard, if there is one now. */
  get settledLeader(): number | null {
    return this.#open === null && this.#leader !== null ? this.#leader.node : null;
  }

  /**
   * Takes note; returns the election that this event has brought to its end, if
   * any. `writtenMs` is when it was reported, which may be later in the tick.
   */
  observe(event: NodeEvent, writtenMs = event.atMs): Election | null {
    switch (event.kind) {
      case 'started':
        this.#living.add(event.node);
        break;
      case 'crashed':
        this.#living.delete(event.node);
        if (this.#leader?.node === event.node) this.#loseLeader('takenDown', event.atMs);
        break;
      case 'campaigned':
        this.#judgeCampaign(event.term, event.atMs);
        break;
      case 'elected':
        this.#claim(event.term, event.node);
        this.#install({
          node: event.node,
          term: event.term,
          electedMs: event.atMs,
          sentMs: [],
        });
        break;
      case 'steppedDown':
        if (this.#leader?.node === event.node) this.#loseLeader('overtaken', event.atMs);
        break;
      case 'heartbeatSent':
        this.#claim(event.term, event.node);
        if (this.#leader?.node === event.node) noteHeartbeat(this.#leader, writtenMs);
        break;
      case 'heartbeatReceived':
        this.#claim(event.term, event.leader);
        return event.accepted ? this.#hear(event.node, event.term, event.atMs) : null;
      case 'startFailed':
        break;
    }
    return null;
  }

  verdict(): Verdict {
    const isSound = this.#falseElections === 0 && this.#violations.length === 0;
    return {
      elections: this.#elections,
      falseElections: this.#falseElections,
      violations: this.#violations,
      isHealthy: isSound && this.#elections.length > 0,
    };
  }

  #judgeCampaign(term: number, atMs: number): void {
    if (this.#leader !== null) {
      const cause = causeOf(this.#leader, atMs);
      if (cause === 'false') this.#falseElections++;
      this.#open ??= openElection(cause, atMs);
    }
    this.#open?.terms.add(term);
  }

  /** The term belongs to the first node that leads it; any other is a violation. */
  #claim(term: number, node: number): void {
    const owner = this.#leaderOfTerm.get(term) ?? node;
    this.#leaderOfTerm.set(term, owner);
    if (owner === node) return;
    const sentence = `term ${term} had two leaders, ${nodeName(owner)} and ${nodeName(node)}`;
    if (!this.#violations.includes(sentence)) this.#violations.push(sentence);
  }

  /** A leader of an earlier term, who has not heard yet, does not replace one of a later. */
  #install(leader: Leader): void {
    if (this.#leader !== null && this.#leader.term > leader.term) return;
    this.#open ??= openElection('overtaken', leader.electedMs);
    this.#open.terms.add(leader.term);
    this.#open.heardBy = new Set([leader.node]);
    this.#leader = leader;
  }

  /** A second loss before the first election has ended starts the clock again. */
  #loseLeader(cause: ElectionCause, atMs: number): void {
    this.#leader = null;
    if (cause === 'takenDown' || this.#open === null) this.#open = openElection(cause, atMs);
  }

  #hear(node: number, term: number, atMs: number): Election | null {
    const open = this.#open;
    if (open === null || this.#leader?.term !== term) return null;
    open.heardBy.add(node);
    if (open.heardBy.size <= this.#living.size / 2) return null;
    const election: Election = {
      cause: open.cause,
      leader: this.#leader.node,
      term,
      rounds: open.terms.size,
      tookMs: atMs - open.sinceMs,
      heardBy: open.heardBy.size,
      living: this.#living.size,
    };
    this.#open = null;
    this.#elections.push(election);
    return election;
  }
}

function openElection(cause: ElectionCause, sinceMs: number): OpenElection {
  return { cause, sinceMs, terms: new Set(), heardBy: new Set() };
}

function noteHeartbeat({ sentMs }: Leader, atMs: number): void {
  sentMs.push(atMs);
  if (sentMs.length > HEARTBEATS_KEPT) sentMs.shift();
}

/** What a campaign against this leader is, by a candidate whose clock said `atMs`. */
function causeOf({ sentMs }: Leader, atMs: number): ElectionCause {
  const lastMs = sentMs.findLast((each) => each < atMs);
  if (lastMs === undefined) return 'overtaken';
  return atMs - lastMs < ELECTION_MIN_MS ? 'false' : 'late';
}
