/**
 * Contenders as processes of their own, spoken to in lines.
 *
 * All of them, C or JavaScript, follow one convention: they answer on standard
 * output, and end when their standard input does. So nothing outlives a bench
 * run, however that ends, and nothing is ever killed in the normal course.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** How long a process may take to end by itself after its input has ended. */
const STOP_TIMEOUT_MS = 3000;

export class LineProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  /** Lines that nobody has asked for yet. */
  readonly #lines: string[] = [];
  #waiting: ((line: string | null) => void) | null = null;
  #outputEnded = false;

  /** `command` is the program, then its arguments. */
  constructor(name: string, command: readonly string[]) {
    const [program = '', ...args] = command;
    this.name = name;
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#exited = once(this.#child, 'exit').catch((error: Error) => {
      console.error(`${name}: ${error.message}`);
      this.#settle(null);
    });
    // A process that has died is noticed by its output ending, not by EPIPE.
    this.#child.stdin?.on('error', () => {});
    const output = this.#child.stdout;
    if (output === null) throw new Error(`${name} has no standard output`);
    createInterface({ input: output })
      .on('line', (line) => this.#settle(line))
      .on('close', () => {
        this.#outputEnded = true;
        if (this.#waiting !== null) this.#settle(null);
      });
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error(`${this.name} could not be started`);
    return pid;
  }

  writeLine(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** The next line of output; rejects if the process ends or is silent for `timeoutMs`. */
  async readLine(timeoutMs: number): Promise<string> {
    const ready = this.#lines.shift();
    if (ready !== undefined) return ready;
    if (this.#outputEnded) throw new Error(`${this.name} has ended without an answer`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = null;
        reject(new Error(`${this.name} did not answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting = (line) => {
        clearTimeout(timer);
        if (line === null) reject(new Error(`${this.name} has ended without an answer`));
        else resolve(line);
      };
    });
  }

  /** Puts a question; it and the answer are a line of JSON each. */
  async ask<Answer>(question: object, timeoutMs: number): Promise<Answer> {
    this.writeLine(JSON.stringify(question));
    return JSON.parse(await this.readLine(timeoutMs));
  }

  /** Ends the input and waits for the process to end; idempotent. */
  async stop(): Promise<void> {
    this.#child.stdin?.end();
    const timer = setTimeout(() => {
      console.error(`${this.name} did not end with its input and was killed`);
      this.#child.kill('SIGKILL');
    }, STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  #settle(line: string | null): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting !== null) waiting(line);
    else if (line !== null) this.#lines.push(line);
  }
}

/** The path of a compiled file of the benchmarks, as `servers/echo-net`. */
export function scriptPath(name: string): string {
  return fileURLToPath(new URL(`../${name}.js`, import.meta.url));
}

/** What `begin` makes of a process that has been started; the process is stopped if it fails. */
export async function startWith<T>(process: LineProcess, begin: () => Promise<T>): Promise<T> {
  try {
    return await begin();
  } catch (error) {
    await process.stop();
    throw error;
  }
}

/** The command bound to one processor, or as it is when `cpu` is null. */
export function pinned(command: readonly string[], cpu: number | null): readonly string[] {
  // taskset replaces itself by the program, so the process id stays the program's.
  return cpu === null ? command : ['taskset', '--cpu-list', String(cpu), ...command];
}

/** The command with room for so many descriptors; undefined leaves the limit as it is. */
export function withDescriptors(
  command: readonly string[],
  descriptors: number | undefined,
): readonly string[] {
  if (descriptors === undefined) return command;
  return ['sh', '-c', 'ulimit -S -n "$0" && exec "$@"', String(descriptors), ...command];
}

/** How many descriptors a process may be given room for. */
export function descriptorsMax(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const hard = /^Max open files +\S+ +(\S+)/m.exec(limits)?.[1];
  return hard === 'unlimited' ? Infinity : Number(hard);
}

export function hasTaskset(): boolean {
  return spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0;
}
