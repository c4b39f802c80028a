/**
 * The long versions of the tests that take processes, threads and time:
 * `npm run soak -- NAME...`, or `all`.
 */
import { churnScenario, hourScenario } from './churn.js';
import { idleScenario } from './idle.js';
import type { Scenario } from './scenario.js';
import { shardsScenario } from './shards.js';
import { stallsScenario } from './stalls.js';
import { teardownScenario } from './teardown.js';

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  stalls: stallsScenario,
  teardown: teardownScenario,
  idle: idleScenario,
  churn: churnScenario,
  hour: hourScenario,
  shards: shardsScenario,
};

process.exitCode = await main(process.argv.slice(2));

async function main(wanted: readonly string[]): Promise<number> {
  const names = wanted.includes('all') ? Object.keys(SCENARIOS) : wanted;
  const unknown = names.filter((name) => !Object.hasOwn(SCENARIOS, name));
  if (names.length === 0 || unknown.length > 0) {
    printUsage(unknown);
    return 2;
  }
  let failed = 0;
  for (const name of names) failed += (await isKept(name)) ? 0 : 1;
  return failed > 0 ? 1 : 0;
}

async function isKept(name: string): Promise<boolean> {
  const print = (line: string) => console.log(`${name}: ${line}`);
  const startMs = performance.now();
  const { failures } = await SCENARIOS[name].run(print);
  for (const failure of failures) print(`FAILED: ${failure}`);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
  print(`${failures.length === 0 ? 'kept' : 'BROKEN'} after ${seconds} s`);
  return failures.length === 0;
}

function printUsage(unknown: readonly string[]): void {
  for (const name of unknown) console.error(`there is no scenario '${name}'`);
  console.error('usage: npm run soak -- NAME...   (or: all)');
  for (const [name, { summary }] of Object.entries(SCENARIOS)) {
    console.error(`  ${name.padEnd(10)}${summary}`);
  }
}
