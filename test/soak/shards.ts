/**
 * Goal: shards may die, stop and talk as they like; messages stay in order,
 * whatever was asked settles, and who is not concerned does not notice.
 *
 * Method: the loads of `test/support/shard-load.ts`, at length. The number of
 * messages between shards is a million, or what MILLRACE_SOAK_MESSAGES says.
 */
import { random } from '../support/random.js';
import { deaths, stopUnderLoad, weave } from '../support/shard-load.js';
import type { Outcome, Print, Scenario } from './scenario.js';

const DEATHS = 200;
const STOPS = 200;
const SHARDS = 4;

export const shardsScenario: Scenario = {
  summary: 'shards that die, stop under load, and send each to each (some five minutes)',
  run: shards,
};

async function shards(print: Print): Promise<Outcome> {
  const { seed } = random();
  print(`seed ${seed}`);
  const failures: string[] = [];
  const messages = Number(process.env.MILLRACE_SOAK_MESSAGES ?? 1e6);
  const beganMs = performance.now();
  failures.push(...(await weave(SHARDS, messages, seed)));
  const seconds = (performance.now() - beganMs) / 1000;
  print(`${messages} messages among ${SHARDS} shards in ${seconds.toFixed(1)} s`);
  for (let stop = 0; stop < STOPS; stop++) {
    failures.push(...(await stopUnderLoad(seed + stop)));
    if (stop % 50 === 49) print(`${stop + 1} stops`);
  }
  failures.push(...(await deaths(DEATHS, seed, print)));
  return { failures };
}
