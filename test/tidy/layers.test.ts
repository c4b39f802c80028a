/**
 * The house as `docs/ARCHITECTURE.md` draws it: a layer imports what stands
 * below it, never above, and never in a circle.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect } from 'chai';
import { projectFiles } from '../support/project.js';

/** From the top down. Files at the root of `src/` that are not listed stand at the bottom. */
const LAYERS = [
  'workers',
  'src/index.ts',
  'src/cluster',
  'src/raft',
  'src/sim',
  'src/net',
  'src/actor',
  'src/compute',
  'src/thread',
  'src/channel',
  'src/loop',
  'src/socket',
  'src/poll',
  'src/collections',
];

/** Layers that may not know each other, though they stand on one floor. */
const NEIGHBOURS = [['src/cluster', 'src/raft', 'src/sim']];

/** What `package.json` exports. */
const EXPORTS = ['src/index.ts', 'src/net/index.ts'];

/** A part that users have no export of can be measured only from inside. */
const MEASURED_INSIDE = ['bench/codec.ts'];
/** The two sides of a thread, which is started by its owner and by no export. */
const THREADS = ['src/thread/worker-thread.ts'];

const BOTTOM = LAYERS.length;

function layerOf(path: string): number {
  const index = LAYERS.findIndex((layer) => path === layer || path.startsWith(`${layer}/`));
  return index < 0 ? BOTTOM : index;
}

interface Import {
  from: string;
  to: string;
  typeOnly: boolean;
}

function importsOf(path: string): Import[] {
  const text = readFileSync(path, 'utf8');
  const pattern = /^(?:import|export)\s+(type\s+)?[^;]*?from\s+'(\.[^']+)'/gm;
  return [...text.matchAll(pattern)].map(([, type, target = '']) => ({
    from: path,
    to: normalize(join(dirname(path), target)).replace(/\.js$/, '.ts'),
    typeOnly: type !== undefined,
  }));
}

const entries = projectFiles(/^workers\/.*\.ts$/);
const sources = [...projectFiles(/^src\/.*\.ts$/), ...entries];
const imports = sources.flatMap(importsOf);

describe('tidy: layers', () => {
  it('a layer imports what stands below it, never above', () => {
    const upward = imports.filter(({ from, to }) => layerOf(to) < layerOf(from));
    expect(upward.map(({ from, to }) => `${from} imports ${to}`)).to.deep.equal([]);
  });

  it('neighbours on one floor do not import each other', () => {
    const sideways = imports.filter(({ from, to }) =>
      NEIGHBOURS.some((floor) => {
        const [here, there] = [LAYERS[layerOf(from)] ?? '', LAYERS[layerOf(to)] ?? ''];
        return here !== there && floor.includes(here) && floor.includes(there);
      }),
    );
    expect(sideways.map(({ from, to }) => `${from} imports ${to}`)).to.deep.equal([]);
  });

  it('no circle of imports, those of types alone left aside', () => {
    const targets = new Map<string, string[]>();
    for (const { from, to, typeOnly } of imports) {
      if (!typeOnly) targets.set(from, [...(targets.get(from) ?? []), to]);
    }
    const finished = new Set<string>();
    const visit = (path: string, trail: string[]): string[] | null => {
      if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
      if (finished.has(path)) return null;
      for (const target of targets.get(path) ?? []) {
        const circle = visit(target, [...trail, path]);
        if (circle !== null) return circle;
      }
      finished.add(path);
      return null;
    };
    const circles = sources.map((path) => visit(path, [])).filter((circle) => circle !== null);
    expect(circles).to.deep.equal([]);
  });

  it('the collections know of errors and checks, and of nothing else', () => {
    const outside = imports.filter(
      ({ from, to }) =>
        from.startsWith('src/collections/') && !['src/errors.ts', 'src/validate.ts'].includes(to),
    );
    expect(outside).to.deep.equal([]);
  });

  it('one file alone loads the addon', () => {
    const loaders = sources.filter((path) => /\.node['"`]/.test(readFileSync(path, 'utf8')));
    expect(loaders).to.deep.equal(['src/poll/binding.ts']);
  });

  it('only src/thread and workers know Comlink', () => {
    const knowing = sources.filter((path) => /from 'comlink/.test(readFileSync(path, 'utf8')));
    expect(knowing.filter((path) => !/^(src\/thread|workers)\//.test(path))).to.deep.equal([]);
  });

  it('only src/thread starts threads', () => {
    const start = /new Worker\(/;
    const starting = sources.filter((path) => start.test(readFileSync(path, 'utf8')));
    expect(starting).to.deep.equal(['src/thread/worker-thread.ts']);
  });

  it('workers are entry points of threads: they serve, and nothing imports them', () => {
    const idle = entries.filter((path) => !/^await serve/m.test(readFileSync(path, 'utf8')));
    const imported = imports.filter(({ to, typeOnly }) => entries.includes(to) && !typeOnly);
    expect([...idle, ...imported]).to.deep.equal([]);
  });

  it('every source is reached from a public export, or from a thread', () => {
    const reached = new Set<string>([...EXPORTS, ...THREADS, ...entries]);
    for (const path of reached) {
      for (const { to } of imports.filter(({ from }) => from === path)) reached.add(to);
    }
    expect(sources.filter((path) => !reached.has(path))).to.deep.equal([]);
  });

  it('the core knows nothing of Node', () => {
    const core = projectFiles(/^native\/core\/.*\.(cc|h)$/);
    const includes = core.filter((path) =>
      /#include\s+[<"](node_api|napi|uv|v8)/.test(readFileSync(path, 'utf8')),
    );
    expect(includes).to.deep.equal([]);
  });

  it('examples and benchmarks use the public exports only', () => {
    const users = projectFiles(/^(examples|bench)\/.*\.ts$/);
    const reaching = users.filter((path) => /from '[./]+src\//.test(readFileSync(path, 'utf8')));
    expect(reaching).to.deep.equal(MEASURED_INSIDE);
  });
});
