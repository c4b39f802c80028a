/**
 * Programs of `test/fixtures/` in processes of their own. A program is given
 * its options as JSON in its first argument, and reports in lines of JSON on
 * its standard output; what it prints on the other goes into error messages.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** From `dist/test/support/` to `dist/test/fixtures/`. */
const FIXTURES = new URL('../fixtures/', import.meta.url);

export interface FixtureSetting {
  /** The runtime. @default the one that runs this */
  node?: string;
  /** For the runtime itself, before the program. */
  nodeArgs?: readonly string[];
  /** Added to the environment of this process. */
  env?: Readonly<Record<string, string>>;
}

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
}

export class Fixture {
  readonly name: string;
  readonly pid: number;
  /** Settles when the process has gone and all it printed has been read. */
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #readers: ((line: string | null) => void)[] = [];
  #closed = false;
  #stderr = '';

  constructor(name: string, options: unknown = {}, setting: FixtureSetting = {}) {
    const { node = process.execPath, nodeArgs = [], env = {} } = setting;
    const path = fileURLToPath(new URL(`${name}.js`, FIXTURES));
    const args = [...nodeArgs, path, JSON.stringify(options)];
    this.name = name;
    this.#child = spawn(node, args, { env: { ...process.env, ...env } });
    const { pid, stdout, stderr } = this.#child;
    if (pid === undefined || stdout === null || stderr === null) {
      throw new Error(`${node} cannot be started`);
    }
    this.pid = pid;
    createInterface(stdout).on('line', (line) => this.#give(line));
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.ended = once(this.#child, 'close').then(([code, signal]) => {
      this.#closed = true;
      for (const reader of this.#readers.splice(0)) reader(null);
      return { code, signal, stderr: this.#stderr };
    });
  }

  /** The next line, parsed. Rejects when none has come by the deadline, or none can. */
  async report<R>(deadlineMs: number): Promise<R> {
    const line = await within(deadlineMs, this.#nextLine(), () => this.#complaint('said nothing'));
    if (line === null) throw this.#complaint('ended without a word');
    return JSON.parse(line) as R;
  }

  /** Waits for the end. Past the deadline the process is killed, and this rejects. */
  async end(deadlineMs: number): Promise<Ending> {
    return within(deadlineMs, this.ended, () => {
      this.kill('SIGKILL');
      return this.#complaint('did not end');
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it, whatever state it is in. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill('SIGKILL');
    await this.ended;
  }

  #nextLine(): Promise<string | null> {
    const line = this.#lines.shift();
    if (line !== undefined || this.#closed) return Promise.resolve(line ?? null);
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  #give(line: string): void {
    const reader = this.#readers.shift();
    if (reader === undefined) this.#lines.push(line);
    else reader(line);
  }

  #complaint(what: string): Error {
    return new Error(`${this.name} (process ${this.pid}) ${what}; it printed: ${this.#stderr}`);
  }
}

/** What the parent gave to this program; the fallback is for one that is started by hand. */
export function fixtureOptions<O>(fallback?: O): O {
  const [, , text] = process.argv;
  if (text !== undefined) return JSON.parse(text) as O;
  if (fallback === undefined) throw new Error('started without options');
  return fallback;
}

/** One line of this program's report. */
export function tell(report: unknown): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

/** The result of the promise, or a rejection after so many milliseconds. */
export async function within<R>(
  deadlineMs: number,
  promise: Promise<R>,
  complaint: () => Error,
): Promise<R> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(complaint()), deadlineMs);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** Does the work for each item, so many at a time, and gives the results in their order. */
export async function inParallel<I, R>(
  items: readonly I[],
  width: number,
  work: (item: I, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index], index);
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
  return results;
}
