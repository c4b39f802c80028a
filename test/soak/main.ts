/**
 * The long versions of the tests that take processes, threads and time:
 *
 *   npm run soak -- NAME...       or `all`
 *   npm run soak -- shards --part weave --count 100000 --seed 1
 */
import { parseArgs } from 'node:util';
import { abruptScenario } from './abrupt.js';
import { churnScenario, hourScenario } from './churn.js';
import { framingScenario } from './framing.js';
import { idleScenario } from './idle.js';
import { poolScenario } from './pool.js';
import type { Choice, Scenario } from './scenario.js';
import { shardsScenario } from './shards.js';
import { slowClientsScenario } from './slow-clients.js';
import { slowReaderScenario } from './slow-reader.js';
import { stallsScenario } from './stalls.js';
import { teardownScenario } from './teardown.js';

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  stalls: stallsScenario,
  teardown: teardownScenario,
  idle: idleScenario,
  churn: churnScenario,
  hour: hourScenario,
  shards: shardsScenario,
  framing: framingScenario,
  pool: poolScenario,
  abrupt: abruptScenario,
  'slow-reader': slowReaderScenario,
  'slow-clients': slowClientsScenario,
};

const OPTIONS = {
  part: { type: 'string', multiple: true },
  count: { type: 'string' },
  seed: { type: 'string' },
} as const;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
  const names = positionals.includes('all') ? Object.keys(SCENARIOS) : positionals;
  const complaints = [
    ...names
      .filter((name) => !Object.hasOwn(SCENARIOS, name))
      .map((name) => `there is no scenario '${name}'`),
    ...wrongChoices(names, values),
  ];
  if (names.length === 0 || complaints.length > 0) {
    printUsage(complaints);
    return 2;
  }
  let failed = 0;
  for (const name of names) failed += (await isKept(name, values)) ? 0 : 1;
  return failed > 0 ? 1 : 0;
}

interface Values {
  part?: string[] | undefined;
  count?: string | undefined;
  seed?: string | undefined;
}

function wrongChoices(names: readonly string[], { part = [], count, seed }: Values): string[] {
  const parts = names.flatMap((name) => SCENARIOS[name]?.parts ?? []);
  const isWhole = (text: string | undefined) => text === undefined || /^\d{1,12}$/.test(text);
  return [
    ...part.filter((each) => !parts.includes(each)).map((each) => `there is no part '${each}'`),
    ...(isWhole(count) ? [] : ['--count is a whole number']),
    ...(isWhole(seed) ? [] : ['--seed is a whole number']),
  ];
}

async function isKept(name: string, values: Values): Promise<boolean> {
  const print = (line: string) => console.log(`${name}: ${line}`);
  const startMs = performance.now();
  const { failures } = await SCENARIOS[name].run(print, choiceOf(SCENARIOS[name], values));
  for (const failure of failures) print(`FAILED: ${failure}`);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
  print(`${failures.length === 0 ? 'kept' : 'BROKEN'} after ${seconds} s`);
  return failures.length === 0;
}

function choiceOf({ parts = [] }: Scenario, { part = parts as string[], count, seed }: Values) {
  return {
    parts: parts.filter((each) => part.includes(each)),
    count: count === undefined ? null : Number(count),
    seed: seed === undefined ? null : Number(seed),
  } satisfies Choice;
}

function printUsage(complaints: readonly string[]): void {
  for (const complaint of complaints) console.error(complaint);
  console.error('usage: npm run soak -- NAME... [--part PART]... [--count N] [--seed N]');
  console.error('       NAME is one of these, or all');
  for (const [name, { summary, parts }] of Object.entries(SCENARIOS)) {
    console.error(`  ${name.padEnd(14)}${summary}`);
    if (parts !== undefined) console.error(`  ${''.padEnd(14)}parts: ${parts.join(', ')}`);
  }
}
