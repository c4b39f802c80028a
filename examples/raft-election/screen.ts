/**
 * What the user sees: a live view on a terminal, plain lines elsewhere.
 *
 * The live view uses the terminal's alternate screen, so what was on it before
 * comes back at the end. {@link LiveScreen.close} restores everything; it also
 * runs when the process exits for another reason than the end of the run.
 */
import { styleText } from 'node:util';
import {
  ELECTION_MAX_MS,
  ELECTION_MIN_MS,
  HEARTBEAT_MS,
  nodeName,
  type PlacedStatus,
  type Role,
} from './contract.js';

const EVENTS_KEPT = 50;
const BAR_CELLS = 20;

/** Alternate screen, no cursor, no wrapping of lines that are too long. */
const OPEN_SCREEN = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const CLOSE_SCREEN = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const TO_TOP = '\x1b[H';
const CLEAR_LINE_END = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

/** The bytes of a key press that ends the run: q, Q, Esc alone, Ctrl-C, Ctrl-D. */
const QUIT_KEYS = new Set(['q', 'Q', '\x1b', '\x03', '\x04']);

export interface View {
  elapsedMs: number;
  runMs: number;
  nodes: readonly PlacedStatus[];
  /** The result so far. */
  score: string;
}

export interface Screen {
  /** How often {@link draw} should be called. */
  readonly drawPeriodMs: number;
  /** Something worth a line has happened. */
  note(elapsedMs: number, sentence: string): void;
  draw(view: View): void;
  /** Gives the terminal back. Idempotent. */
  close(): void;
}

/** The screen that suits where the output goes. */
export function openScreen(onQuit: () => void): Screen {
  const isLive = process.stdout.isTTY && process.env.TERM !== 'dumb';
  return isLive ? new LiveScreen(onQuit) : new PlainScreen();
}

class PlainScreen implements Screen {
  readonly drawPeriodMs = 1000;

  note(elapsedMs: number, sentence: string): void {
    console.log(`${formatSeconds(elapsedMs)}  ${sentence}`);
  }

  draw(view: View): void {
    const nodes = view.nodes.map((node) => {
      const count = node.role === 'leader' ? node.heartbeatsSent : node.heartbeatsReceived;
      const verb = node.role === 'leader' ? 'sent' : 'got';
      const beats = node.role === 'down' ? '' : ` ${verb} ${count}`;
      return `${nodeName(node.id)} ${node.role} t${node.term}${beats}`;
    });
    console.log(`${formatSeconds(view.elapsedMs)}  [ ${nodes.join(' | ')} ]`);
  }

  close(): void {}
}

class LiveScreen implements Screen {
  readonly drawPeriodMs = 50;
  readonly #events: string[] = [];
  readonly #restore = (): void => this.close();
  readonly #onKey: (key: Buffer) => void;
  #isOpen = true;
  /** Heartbeats of each node at the last drawing: the pulse shows what has come since. */
  #beats: number[] = [];

  constructor(onQuit: () => void) {
    this.#onKey = (key) => {
      if (QUIT_KEYS.has(key.toString('latin1'))) onQuit();
    };
    // Also after an uncaught error or process.exit(): nothing else would show the cursor again.
    process.once('exit', this.#restore);
    process.stdout.write(OPEN_SCREEN);
    if (process.stdin.isTTY) {
      process.stdin.setRawMode(true);
      process.stdin.on('data', this.#onKey);
    }
  }

  note(elapsedMs: number, sentence: string): void {
    this.#events.push(`${paint('dim', formatSeconds(elapsedMs))}  ${sentence}`);
    if (this.#events.length > EVENTS_KEPT) this.#events.shift();
  }

  draw(view: View): void {
    if (!this.#isOpen) return;
    const beats = view.nodes.map((node) => node.heartbeatsSent + node.heartbeatsReceived);
    const isBeating = beats.map((count, id) => count !== (this.#beats[id] ?? 0));
    this.#beats = beats;
    const rows = process.stdout.rows;
    const lines = [
      ...renderHeader(view),
      ...renderNodes(view.nodes, isBeating),
      '',
      view.score,
      '',
    ];
    // One row is left free: a line feed in the last one would scroll.
    const room = Math.max(0, rows - lines.length - 1);
    lines.push(...this.#events.slice(-room || this.#events.length));
    const shown = lines.slice(0, rows - 1).map((line) => `${line}${CLEAR_LINE_END}\n`);
    process.stdout.write(`${TO_TOP}${shown.join('')}${CLEAR_BELOW}`);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off('exit', this.#restore);
    if (process.stdin.isTTY) {
      process.stdin.off('data', this.#onKey);
      process.stdin.setRawMode(false);
      process.stdin.pause();
    }
    process.stdout.write(CLOSE_SCREEN);
  }
}

function renderHeader(view: View): string[] {
  const clock = `${(view.elapsedMs / 1000).toFixed(1)} of ${view.runMs / 1000} s`;
  const range = `${ELECTION_MIN_MS} to ${ELECTION_MAX_MS} ms`;
  return [
    `${paint('bold', 'Raft leader election')}   ${clock}   q quits`,
    paint(
      'dim',
      `The leader sends heartbeats (♥) every ${HEARTBEAT_MS} ms; each refills the election timers`,
    ),
    paint('dim', `of the others with ${range}. A timer that runs out starts an election.`),
    '',
    paint(
      'dim',
      'node  shard  UDP port  role       term  voted for  votes  heartbeats    election timer',
    ),
  ];
}

const ROLE_STYLES: Record<Role, 'green' | 'cyan' | 'yellow' | 'red'> = {
  leader: 'green',
  follower: 'cyan',
  candidate: 'yellow',
  down: 'red',
};

function renderNodes(nodes: readonly PlacedStatus[], isBeating: readonly boolean[]): string[] {
  return nodes.map((node) => {
    const style = ROLE_STYLES[node.role];
    const isLeader = node.role === 'leader';
    const count = isLeader ? node.heartbeatsSent : node.heartbeatsReceived;
    const pulse = isBeating[node.id] ? paint('red', '♥') : ' ';
    const cells = [
      nodeName(node.id).padEnd(4),
      String(node.shard).padStart(5),
      String(node.address.port).padStart(8),
      paint(style, node.role.padEnd(9)),
      String(node.term).padStart(4),
      (node.votedFor === null ? '-' : nodeName(node.votedFor)).padStart(9),
      (node.votes > 0 ? `${node.votes}/${nodes.length}` : '').padStart(5),
      `${pulse} ${(isLeader ? 'sent' : 'got').padEnd(4)} ${String(count).padStart(5)}`,
      paint(style, renderTimer(node)),
    ];
    return cells.join('  ');
  });
}

/** The bar is full at the longest timeout, so that short draws look short. */
function renderTimer(node: PlacedStatus): string {
  if (node.role === 'down') return 'no timer: the socket is closed';
  if (node.timer === null) return 'no timer: this is the leader';
  const left = Math.round((node.timer.leftMs / ELECTION_MAX_MS) * BAR_CELLS);
  const drawn = Math.round((node.timer.drawnMs / ELECTION_MAX_MS) * BAR_CELLS);
  const bar = '█'.repeat(left) + '░'.repeat(Math.max(0, drawn - left));
  return `${bar.padEnd(BAR_CELLS)} ${node.timer.leftMs.toFixed(0).padStart(4)} ms`;
}

/** Colour, unless the user has asked for none (https://no-color.org). */
function paint(style: Parameters<typeof styleText>[0], text: string): string {
  return process.env.NO_COLOR ? text : styleText(style, text);
}

function formatSeconds(elapsedMs: number): string {
  return `${(elapsedMs / 1000).toFixed(3).padStart(7)} s`;
}
