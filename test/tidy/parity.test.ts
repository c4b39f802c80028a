/**
 * `docs/parity.md` against the code: each row names a test that exists, and
 * names of classes and their members that exist.
 */
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as millrace from '../../src/index.js';
import * as net from '../../src/net/index.js';

interface Row {
  line: number;
  mio: string;
  here: string;
  test: string;
  differs: string;
}

/** The cells of a line of a table; a bar inside one is written with a backslash. */
function cells(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.replaceAll('\\|', '|').trim());
}

function parse(text: string): Row[] {
  return text.split('\n').flatMap((content, index) => {
    if (!content.startsWith('| ') || /^\| (mio|mill-io|mill-net|defect) \|/.test(content))
      return [];
    const [mio = '', here = '', test = '', differs = ''] = cells(content);
    return [{ line: index + 1, mio, here, test, differs }];
  });
}

const rows = parse(readFileSync('docs/parity.md', 'utf8'));

/** Where a row says that its test is: the file, and a title in it. */
const PLACE = /^`((?:test\/[\w/.-]+\.test\.ts|native\/test\/\w+_test\.cc))`: (.+)$/;

/** `Class`, `Class.member` or `Class.member(...)`, of the exports. */
const NAME = /`([A-Z]\w+)(?:\.(\w+))?[`(.]/g;

function hasMember(exported: object, member: string): boolean {
  // An option of a configuration is no member; those are tested by their own names.
  const { prototype } = exported as { prototype?: object };
  return member in exported || (prototype !== undefined && member in prototype);
}

/** Methods of Handler exist in its users' classes only. */
const HANDLER_METHODS = ['readable', 'writable', 'ready', 'notify', 'timeout', 'signal'];
HANDLER_METHODS.push('interrupted', 'tick');

/** Types without a value: docs/api.md has what they have. */
const TYPES = ['NetworkHandler', 'ClientHandler', 'ServerContext', 'Connection'];
const api = readFileSync('docs/api.md', 'utf8');

/** Whether the row of the type names the member. */
function typeHas(name: string, member: string): boolean {
  const row = new RegExp(`^\\| \`${name}\` \\|.*\\b${member}\\b`, 'm');
  return row.test(api);
}

/** How many of mill-io's defects are known. */
const DEFECTS = 14;

describe('tidy: parity with mio and mill-io', () => {
  it('has rows for each section, and four cells in each row', () => {
    expect(rows.length).to.be.above(200);
    const incomplete = rows.filter(({ mio, here, test }) => [mio, here, test].includes(''));
    expect(incomplete).to.deep.equal([]);
  });

  it('every row names a test that exists', () => {
    const missing = rows.filter(({ test }) => {
      const [, path = '', title = ''] = PLACE.exec(test) ?? [];
      if (path === '' || title.length < 10 || !existsSync(path)) return true;
      return !readFileSync(path, 'utf8').includes(title);
    });
    expect(missing.map(({ line, test }) => `line ${line}: ${test}`)).to.deep.equal([]);
  });

  it('every defect has its row', () => {
    const numbers = rows.map(({ mio }) => Number(/^(\d+)\. /.exec(mio)?.[1] ?? 0));
    const expected = Array.from({ length: DEFECTS }, (_, index) => index + 1);
    expect(expected.filter((number) => !numbers.includes(number))).to.deep.equal([]);
  });

  it('every class and member that a row names exists', () => {
    const strange = rows.flatMap(({ line, here }) =>
      [...here.matchAll(NAME)]
        .filter(([, name = '', member]) => {
          if (name in millrace.ERROR_CODES) return false;
          if (TYPES.includes(name)) return member !== undefined && !typeHas(name, member);
          const exported = ({ ...millrace, ...net } as Record<string, object>)[name];
          if (exported === undefined) return true;
          if (name === 'Handler') return member !== undefined && !HANDLER_METHODS.includes(member);
          return member !== undefined && !hasMember(exported, member);
        })
        .map(([name]) => `line ${line}: ${name}`),
    );
    expect(strange).to.deep.equal([]);
  });

  it('a row that differs says why', () => {
    const bare = rows.filter(({ differs }) => differs !== '' && differs.length < 20);
    expect(bare.map(({ line }) => line)).to.deep.equal([]);
  });
});
