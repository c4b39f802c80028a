/** The documentation against the code, in both directions where there are two. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect } from 'chai';
import * as millrace from '../../src/index.js';
import * as net from '../../src/net/index.js';
import { projectFiles } from '../support/project.js';

const documents = projectFiles(/^(README|CHANGELOG)\.md$|^docs\/.*\.md$|^bench\/.*\.md$/);

function read(path: string): string {
  return readFileSync(path, 'utf8');
}

/** Without indentation and blank lines, so that an excerpt may be set as it likes. */
function essence(code: string): string {
  return code
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');
}

/** Not those about other projects, or about what was tried. */
const ABOUT_THE_CODE = documents.filter(
  (path) => !/^(CHANGELOG|bench\/|docs\/(parity|decisions\/|how-to\/from-))/.test(path),
);

/** `src/loop/ticker.ts`, `#sample`, `#poll`: a file, and functions or classes in it. */
const PLACES = /`((?:src|native|workers|test)\/[\w./-]+\.(?:ts|cc|h))`, (`#?\w+`(?:, `#?\w+`)*)/g;

/** In TypeScript what begins a line with it, after words that may precede a declaration. */
function declares(file: string, name: string): boolean {
  const code = read(file);
  if (!file.endsWith('.ts')) return new RegExp(`\\b${name}\\b`).test(code);
  const before =
    '(?:(?:export|static|async|override|protected|get|abstract|function|class|const) )*';
  return new RegExp(`^ *${before}${name}\\b`, 'm').test(code);
}

describe('tidy: documents', () => {
  it('every error code has its line in docs/errors.md, and the other way round', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `(ERR_\w+)` \| ([^|]+) \|/gm)];
    const documented = Object.fromEntries(rows.map(([, code, text]) => [code, text?.trim()]));
    expect(documented).to.deep.equal({ ...millrace.ERROR_CODES });
  });

  it('every error code is raised somewhere', () => {
    const sources = projectFiles(/^(src\/.*\.ts|native\/binding\/.*\.cc)$/)
      .filter((path) => path !== 'src/errors.ts')
      .map(read)
      .join('\n');
    const helpers = read('src/errors.ts')
      .split('export const ERROR_CODES')[1]
      ?.split('} as const)')[1];
    const unused = Object.keys(millrace.ERROR_CODES).filter(
      (code) => !sources.includes(code) && !helpers?.includes(code),
    );
    expect(unused).to.deep.equal([]);
  });

  it('every public export is named in docs/api.md', () => {
    const text = read('docs/api.md');
    const missing = Object.keys({ ...millrace, ...net }).filter(
      (name) => !text.includes(`\`${name}`),
    );
    expect(missing).to.deep.equal([]);
  });

  it('code in documents is an excerpt of a program that is compiled and run', () => {
    const programs = projectFiles(/^(examples|test\/docs)\/.*\.ts$/).map((path) =>
      essence(read(path)),
    );
    const strange = documents.flatMap((path) =>
      [...read(path).matchAll(/^```ts\n([\s\S]*?)^```/gm)]
        .map(([, code = '']) => essence(code))
        .filter((code) => !programs.some((program) => program.includes(code)))
        .map((code) => `${path}: ${code.split('\n')[0]}`),
    );
    expect(strange).to.deep.equal([]);
  });

  it('links and named files lead somewhere', () => {
    const broken = documents.flatMap((path) => {
      const text = read(path);
      const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)/g)].map(([, to = '']) =>
        normalize(join(dirname(path), to)),
      );
      const named = [
        ...text.matchAll(/`((?:src|native|test|examples|bench|docs)\/[\w./-]+\.\w+)`/g),
      ];
      return [...links, ...named.map(([, to = '']) => to)]
        .filter((to) => !existsSync(to))
        .map((to) => `${path}: ${to}`);
    });
    expect(broken).to.deep.equal([]);
  });

  it('functions that are named with their file are declared there', () => {
    const missing = documents.flatMap((path) =>
      [...read(path).matchAll(PLACES)].flatMap(([, file = '', names = '']) =>
        names
          .split(', ')
          .filter((name) => !declares(file, name.replaceAll('`', '')))
          .map((name) => `${path}: ${file}, ${name}`),
      ),
    );
    expect(missing).to.deep.equal([]);
  });

  it('names in quotes are names of the code', () => {
    const words = new Set(
      projectFiles(/^(src|workers|native|test|examples|bench)\/.*\.(ts|cc|h|c)$/).flatMap((path) =>
        read(path).match(/\w+/g),
      ),
    );
    const strange = ABOUT_THE_CODE.flatMap((path) =>
      [...read(path).matchAll(/(?<!`)`([^`\n]+)`(?!`)/g)]
        .map(([, quoted = '']) => quoted)
        .filter((quoted) => !/[\w-]+\/|\.(?:md|js|ts|cc|h)$|^(?:npx|npm|bash) /.test(quoted))
        .flatMap((quoted) => quoted.match(/[A-Za-z_]\w{3,}/g) ?? [])
        .filter((word) => !words.has(word))
        .map((word) => `${path}: ${word}`),
    );
    expect(strange).to.deep.equal([]);
  }).timeout(10_000);

  it('commands in the README are scripts of package.json', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...read('README.md').matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !(name in scripts))).to.deep.equal([]);
  });
});
