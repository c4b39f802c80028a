/**
 * `npm run test:nodes`: the JavaScript suites, or soaks of what ends, on every
 * supported line of Node, with the one binary that was built. The runtimes come
 * from the packages `node-<platform>-<arch>` and are kept in `.runtimes/`.
 *
 *   node dist/test/nodes.js [--soak] [20 22 ...]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SUPPORTED = ['20', '22', '24', '26'];
/** The parts of the soak of shards in which something ends. */
const ENDS = ['deaths', 'moves', 'stops', 'exits'].flatMap((part) => ['--part', part]);

const PACKAGE = `node-${process.platform}-${process.arch}`;

function install(line: string): string {
  const folder = join(ROOT, '.runtimes', line);
  const node = join(folder, 'node_modules', PACKAGE, 'bin', 'node');
  if (existsSync(node)) return node;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const npm = ['install', '--no-audit', '--no-fund', '--no-save', `${PACKAGE}@${line}`];
  const { status } = spawnSync('npm', npm, { cwd: folder, stdio: 'inherit' });
  if (status !== 0) throw new Error(`npm could not install ${PACKAGE}@${line}`);
  return node;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { soak: { type: 'boolean', default: false } },
});
const lines = positionals.length > 0 ? positionals : SUPPORTED;
const failures: string[] = [];
for (const line of lines) {
  const node = install(line);
  const script = values.soak
    ? ['dist/test/soak/main.js', 'teardown', 'shards', ...ENDS]
    : ['dist/test/run.js', '--js'];
  console.log(`\n##### Node ${line}: ${script.join(' ')}`);
  const { status } = spawnSync(node, script, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) failures.push(line);
}
const verdict = failures.length === 0 ? 'all well' : `failed on ${failures.join(', ')}`;
console.log(`\nNode ${lines.join(', ')}: ${verdict}`);
process.exitCode = failures.length === 0 ? 0 : 1;
