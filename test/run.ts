/**
 * `npm test`, after lint and build: every suite of the usual run, one after
 * the other, and one closing line that adds them up.
 *
 *   node dist/test/run.js            all suites
 *   node dist/test/run.js --js       only those in JavaScript
 *
 * A suite that ends badly without having counted a failure counts as one.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

interface Suite {
  name: string;
  command: readonly string[];
  environment?: Record<string, string>;
  /** How the suite's output says what it counted. */
  passed: RegExp;
  failed: RegExp;
  /** What a suite prints last, after which it must end by itself. */
  ends?: RegExp;
}

interface Outcome {
  passed: number;
  failed: number;
}

/**
 * Mocha runs without `--exit`, so that a handle which a test left open shows.
 * A suite that has told its result and goes on for this long has one.
 */
const END_MS = 15_000;

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MOCHA = fileURLToPath(new URL('../../node_modules/mocha/bin/mocha.js', import.meta.url));

function mocha(name: string, folder: string, environment: Record<string, string> = {}): Suite {
  return {
    name,
    command: [
      process.execPath,
      MOCHA,
      '--no-color',
      '--recursive',
      `dist/test/${folder}/**/*.test.js`,
    ],
    environment,
    passed: /^\s*(\d+) passing/gm,
    failed: /^\s*(\d+) failing/gm,
    ends: /^\s*\d+ passing/m,
  };
}

const NATIVE: Suite = {
  name: 'native core, under sanitizers',
  command: ['bash', 'native/test/run.sh'],
  passed: /(\d+) passed, \d+ failed$/gm,
  failed: /\d+ passed, (\d+) failed$/gm,
};

const JAVASCRIPT: readonly Suite[] = [
  mocha('unit', 'unit'),
  mocha('tidy', 'tidy'),
  mocha('conformance, best backend', 'conformance'),
  mocha('conformance, poll(2) backend', 'conformance', { MILLRACE_POLL_BACKEND: 'poll' }),
  mocha('integration', 'integration'),
];

async function run(suite: Suite): Promise<Outcome> {
  console.log(`\n=== ${suite.name}`);
  const [program = '', ...args] = suite.command;
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, ...suite.environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  let watchdog: NodeJS.Timeout | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    process.stdout.write(text);
    if (suite.ends?.test(output)) watchdog ??= setTimeout(() => child.kill('SIGKILL'), END_MS);
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(watchdog);
  const outcome = { passed: sum(output, suite.passed), failed: sum(output, suite.failed) };
  const silent = outcome.failed === 0 && (code !== 0 || outcome.passed === 0);
  return silent ? { ...outcome, failed: 1 } : outcome;
}

function sum(output: string, pattern: RegExp): number {
  return [...output.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);
}

const { values } = parseArgs({ options: { js: { type: 'boolean', default: false } } });
const total: Outcome = { passed: 0, failed: 0 };
for (const suite of values.js ? JAVASCRIPT : [NATIVE, ...JAVASCRIPT]) {
  const { passed, failed } = await run(suite);
  total.passed += passed;
  total.failed += failed;
}
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;
