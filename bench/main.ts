/**
 * `npm run bench -- NAME [options]`: runs one benchmark and reports on it.
 *
 * A benchmark is a file beside this one that exports `benchmark`; adding one
 * means adding a file. See README.md for what they measure and how.
 *
 * Exit codes: 0, all rows can be trusted; 1, some cannot, or a gate was missed
 * under --gate; 2, wrong usage.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Benchmark, type Gate, holds, type Outcome } from './harness/benchmark.js';
import { type Environment, formatEnvironment, readEnvironment } from './harness/environment.js';
import { COMMON_OPTIONS, UsageError } from './harness/options.js';
import { formatNumber, formatTable } from './harness/table.js';

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!isUsageError(error)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}

async function main(args: readonly string[]): Promise<number> {
  const names = benchmarkNames();
  const [name, ...rest] = args;
  if (name === undefined || !names.includes(name)) {
    if (name !== undefined && !name.startsWith('-')) console.error(`no benchmark "${name}"`);
    await printBenchmarks(names);
    return name === '--help' || name === '-h' ? 0 : 2;
  }
  if (process.platform !== 'linux') {
    throw new UsageError('the benchmarks need Linux: epoll for the opponents, /proc for CPU time');
  }
  const benchmark = await load(name);
  const options = { ...benchmark.options, ...COMMON_OPTIONS };
  const { values } = parseArgs({ args: rest, options, strict: true });
  if (values.help) {
    const flags = Object.keys(options).map((option) => `--${option}`);
    console.log(`${name}: ${benchmark.summary}\noptions: ${flags.join(', ')}`);
    return 0;
  }
  const environment = readEnvironment();
  const outcome = await benchmark.run(values);
  printOutcome(outcome, environment);
  if (typeof values.json === 'string') {
    const report = { benchmark: name, arguments: rest, environment, ...outcome };
    writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  const gatesMissed = values.gate && !outcome.gates.every(holds);
  return outcome.failures.length > 0 || gatesMissed ? 1 : 0;
}

function benchmarkNames(): string[] {
  return readdirSync(new URL('.', import.meta.url))
    .filter((file) => file.endsWith('.js') && file !== 'main.js')
    .map((file) => file.slice(0, -'.js'.length));
}

async function load(name: string): Promise<Benchmark> {
  const module: { benchmark: Benchmark } = await import(
    new URL(`${name}.js`, import.meta.url).href
  );
  return module.benchmark;
}

async function printBenchmarks(names: readonly string[]): Promise<void> {
  console.log('usage: npm run bench -- NAME [options]\n');
  for (const name of names) console.log(`  ${name.padEnd(12)}${(await load(name)).summary}`);
  console.log(
    '\nCommon options: --json FILE, --gate (a missed gate makes the exit code 1), --help.',
  );
}

function printOutcome(outcome: Outcome, environment: Environment): void {
  console.log(`\n${formatEnvironment(environment)}\n`);
  if (outcome.gates.length > 0) console.log(`${formatGates(outcome.gates)}\n`);
  for (const failure of outcome.failures) console.log(`FAILED: ${failure}`);
}

function formatGates(gates: readonly Gate[]): string {
  const held = gates.filter(holds).length;
  const rows = gates.map((gate) => [
    gate.claim,
    formatNumber(gate.value),
    `${gate.bound} ${formatNumber(gate.limit)}`,
    holds(gate) ? 'held' : 'MISSED',
  ]);
  return `${formatTable(['gate', 'measured', 'limit', ''], rows)}\n${held} of ${gates.length} held`;
}

function isUsageError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true;
}
