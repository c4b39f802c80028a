/**
 * The defaults in the tables of `docs/api.md` against those of pools, systems
 * and actors. Those of loops, servers and clients are compared in the tests of
 * their own options.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { resolveSpawnOptions, resolveSystemOptions } from '../../src/actor/options.js';
import { resolvePoolOptions, resolveTaskOptions } from '../../src/compute/options.js';
import { TaskPriority } from '../../src/index.js';

const api = readFileSync('docs/api.md', 'utf8');

/** A default that is written as a value: `4096`, `'auto'`, `false`, `[]`, or a priority. */
const VALUE = /^(?:(\d+)|`'(\w+)'`|(true|false)|(`\[\]`)|`(Low|Normal|High|Critical)`)(?:,|$)/;

/** The options of the table below this heading whose defaults are values. */
function documented(heading: string): Record<string, unknown> {
  const [, section = ''] = api.split(`### \`${heading}\`\n`);
  const [table = ''] = section.trimStart().split('\n\n');
  const rows = [...table.matchAll(/^\| `([\w.]+)` \| ([^|]*) \|/gm)];
  const values = rows.map(([, name = '', text = '']) => [name, valueOf(text)] as const);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

function valueOf(text: string): unknown {
  const [, number, word, truth, list, priority] = VALUE.exec(text) ?? [];
  if (number !== undefined) return Number(number);
  if (truth !== undefined) return truth === 'true';
  if (list !== undefined) return [];
  if (priority !== undefined) return TaskPriority[priority as keyof typeof TaskPriority];
  return word;
}

function expectDefaults(heading: string, resolved: object, count: number): void {
  const defaults = documented(heading);
  expect(Object.keys(defaults)).to.have.length(count);
  for (const [path, value] of Object.entries(defaults)) {
    expect(resolved, path).to.have.deep.nested.property(path, value);
  }
}

describe('tidy: defaults', () => {
  it('of pools and of tasks', () => {
    expectDefaults('new ComputePool(options)', resolvePoolOptions('options', undefined), 2);
    expectDefaults('run(module, fn, args, options)', resolveTaskOptions(undefined), 1);
  });

  it('of systems and of actors', () => {
    expectDefaults('ActorSystem.start(options)', resolveSystemOptions(undefined), 2);
    expectDefaults('spawn(module, options)', resolveSpawnOptions(undefined), 10);
  });
});
