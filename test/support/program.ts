/** Runs a compiled program of this repository as its users do: in a process of its own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** From `dist/test/support/` to `dist/`. */
const DIST = new URL('../../', import.meta.url);

/** Less than a test may take, so that the program's output is in the failure. */
const DEADLINE_MS = 9000;

export interface ProgramEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export class Program {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<ProgramEnd>;
  #stdout = '';
  #stderr = '';
  #onOutput: () => void = () => {};

  /** `path` is relative to `dist/`. */
  constructor(path: string, args: readonly string[] = []) {
    this.#child = spawn(process.execPath, [fileURLToPath(new URL(path, DIST)), ...args]);
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#onOutput();
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', (code, signal) => {
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  /** Resolves when the output matches; rejects when the program ends or stays silent. */
  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    const found = new Promise<RegExpExecArray>((resolve) => {
      this.#onOutput = () => {
        const match = pattern.exec(this.#stdout);
        if (match !== null) resolve(match);
      };
      this.#onOutput();
    });
    const ended = this.#ended.then(() => null);
    const match = await withDeadline(Promise.race([found, ended]), () => this.#describe());
    if (match === null) throw new Error(`ended without ${pattern}: ${this.#describe()}`);
    return match;
  }

  end(deadlineMs = DEADLINE_MS): Promise<ProgramEnd> {
    return withDeadline(this.#ended, () => this.#describe(), deadlineMs);
  }

  /** To its standard input. */
  write(text: string): void {
    this.#child.stdin.write(text);
  }

  endInput(): void {
    this.#child.stdin.end();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** For `afterEach`: leaves no process behind, whatever the test has done. */
  async destroy(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  #describe(): string {
    return `stdout:\n${this.#stdout}\nstderr:\n${this.#stderr}`;
  }
}

async function withDeadline<R>(
  promise: Promise<R>,
  describe: () => string,
  deadlineMs = DEADLINE_MS,
): Promise<R> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`nothing within ${deadlineMs} ms; ${describe()}`));
    }, deadlineMs);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
