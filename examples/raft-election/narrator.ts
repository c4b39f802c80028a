/** Puts what happens into words: lines of the event list, and the summary. */
import { ELECTION_MIN_MS, type NodeEvent, nodeName, type PlacedStatus } from './contract.js';
import type { Election, ElectionCause, Verdict } from './referee.js';

const CAUSES: Record<ElectionCause, string> = {
  start: 'at the start',
  takenDown: 'after a leader was taken down',
  late: 'after a leader had been silent',
  false: 'against a leader in good order',
  overtaken: 'after a leader was overtaken by a later term',
};

export interface RunFacts {
  ranMs: number;
  verdict: Verdict;
  nodes: readonly PlacedStatus[];
}

/** One sentence, or null for what happens too often to be told. */
export function describeEvent(event: NodeEvent): string | null {
  const name = nodeName(event.node);
  switch (event.kind) {
    case 'started':
      return `${name} is up, as a follower`;
    case 'startFailed':
      return `${name} cannot come up yet: its port is in use; it will try again`;
    case 'crashed':
      return `${name} is down`;
    case 'campaigned': {
      const silence = `nothing heard for ${event.timeoutMs.toFixed(0)} ms`;
      return `${name} stands for election in term ${event.term} (${silence})`;
    }
    case 'elected':
      return `${name} is elected leader of term ${event.term} with ${event.votes} votes`;
    case 'steppedDown':
      return `${name} no longer leads term ${event.term}: there is a term ${event.newTerm}`;
    default:
      return null;
  }
}

export function describeElection(election: Election): string {
  const { heardBy, living, rounds } = election;
  const since = {
    start: 'from the start',
    takenDown: 'without a leader',
    late: 'since the old leader was found silent',
    false: 'since the old leader was challenged',
    overtaken: 'since the old leader was overtaken',
  }[election.cause];
  const again = rounds > 1 ? `, ${rounds} rounds` : '';
  const took = `${election.tookMs.toFixed(0)} ms ${since}${again}`;
  return `${nodeName(election.leader)} leads: heard by ${heardBy} of ${living}, ${took}`;
}

/** The summary so far, in a line. */
export function describeScore(verdict: Verdict): string {
  const { elections, falseElections, violations } = verdict;
  const times = describeTimes(elections);
  const safety = violations.length === 0 ? '' : `   TWO LEADERS: ${violations.length}`;
  return `${elections.length} elections: ${times}; false elections: ${falseElections}${safety}`;
}

export function summarise(facts: RunFacts): string[] {
  const { verdict, nodes } = facts;
  const { elections, violations } = verdict;
  const rounds = sum(elections.map((election) => election.rounds));
  const repeated = rounds - elections.length;
  const sent = sum(nodes.map((node) => node.heartbeatsSent));
  const received = sum(nodes.map((node) => node.heartbeatsReceived));
  const garbage = sum(nodes.map((node) => node.garbage));
  const unsent = sum(nodes.map((node) => node.unsent));
  const shards = new Set(nodes.map((node) => node.shard)).size;
  const threads = shards === 1 ? 'one thread' : `${shards} threads`;
  return [
    `After ${(facts.ranMs / 1000).toFixed(1)} s with ${nodes.length} nodes on ${threads}:`,
    `  elections         ${elections.length}: ${countCauses(elections)}`,
    `  time to a leader  ${describeTimes(elections)}`,
    '                    (from the take-down until a majority of the living nodes, the new',
    '                    leader counted, had its first heartbeat)',
    `  rounds            ${rounds}, ${repeated} of them because the one before had no winner`,
    `  heartbeats        ${sent} sent, ${received} received` +
      ` (${garbage} other datagrams refused, ${unsent} datagrams not sent)`,
    `  false elections   ${verdict.falseElections} (campaigns while a leader was up and had sent` +
      ` a heartbeat within ${ELECTION_MIN_MS} ms)`,
    `  safety            ${violations.join('; ') || 'no term had two leaders'}`,
    verdict.isHealthy ? 'The run was healthy.' : 'The run was NOT healthy.',
  ];
}

function countCauses(elections: readonly Election[]): string {
  const causes = Object.keys(CAUSES) as ElectionCause[];
  const counts = causes.map((cause) => {
    const count = elections.filter((election) => election.cause === cause).length;
    return count > 0 ? `${count} ${CAUSES[cause]}` : null;
  });
  return counts.filter((count) => count !== null).join(', ') || 'no leader was ever elected';
}

function describeTimes(elections: readonly Election[]): string {
  const timesMs = timesToLeader(elections);
  if (timesMs.length === 0) return 'no leader was taken down and replaced';
  const worstMs = timesMs.at(-1)!;
  return `median ${median(timesMs).toFixed(1)} ms, worst ${worstMs.toFixed(1)} ms`;
}

/** Of the elections that followed a take-down, in ascending order. */
function timesToLeader(elections: readonly Election[]): number[] {
  const takenDown = elections.filter((election) => election.cause === 'takenDown');
  return takenDown.map((election) => election.tookMs).sort((left, right) => left - right);
}

function median(sorted: readonly number[]): number {
  const upper = Math.floor(sorted.length / 2);
  const lower = Math.floor((sorted.length - 1) / 2);
  return (sorted[lower] + sorted[upper]) / 2;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
