/** The package as users get it: its declarations, checked in full, and its exports. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';

const TSC = resolve('node_modules/typescript/bin/tsc');

/** Declarations are checked too, as a user without skipLibCheck would have it. */
const OPTIONS = [
  '--strict',
  '--exactOptionalPropertyTypes',
  '--noImplicitOverride',
  '--skipLibCheck',
  'false',
  '--module',
  'nodenext',
  '--target',
  'es2023',
  '--types',
  'node',
  '--typeRoots',
  resolve('node_modules/@types'),
];

describe('the package', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-consumer-'));
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(resolve('.'), join(folder, 'node_modules', 'millrace'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
    copyFileSync('test/fixtures/consumer.ts', join(folder, 'consumer.ts'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('compiles a program against its declarations, and runs it', () => {
    execFileSync(process.execPath, [TSC, ...OPTIONS, 'consumer.ts'], { cwd: folder });
    const output = execFileSync(process.execPath, ['consumer.js'], { cwd: folder });
    expect(output.toString().split('\n')).to.have.members([
      'hello',
      '7 true 0',
      'true',
      'true true true true 1',
      'object true',
      '7 greeter',
      '3 3 true',
      'closed mine',
      '',
    ]);
  });

  it('can be required', () => {
    const program = "console.log(Object.keys(require('millrace')).includes('EventLoop'))";
    const node = ['--input-type=commonjs', '--no-warnings', '--eval', program];
    const output = execFileSync(process.execPath, node, { cwd: folder });
    expect(output.toString()).to.equal('true\n');
  });
});
