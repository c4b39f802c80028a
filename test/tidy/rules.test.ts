/**
 * The rules of `docs/semantics.md` against `docs/rules.md`, which tells where
 * each is kept, and both against code and tests. That the functions exist which
 * a row names is the business of `docs.test.ts`, as for every document.
 */
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { projectFiles } from '../support/project.js';

/** A row: the rule, what it is about, its code, its tests. */
const ROW = /^\| (\w+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$/gm;

/** One test: the file, and the beginning of a title in it. */
const PLACE = /^`(test\/[\w/.-]+\.test\.ts)`: (.+)$/;

/** What a title begins with that names rules: `S2:`, `N1, N3:` or `L2 (b):`. */
const TITLE = /\b(?:it|describe)\(\s*['"`]([A-Z]\d+(?:, [A-Z]\d+)*)(?: \(\w\))?:/g;

/** `rule S3`, `rules L1 to L5`, `(rule A8)`, in comments and documents. */
const MENTION = /\brules?\s(?:\*\s)?((?:[A-Z]\d+(?:, | and | to )?)+)/g;

interface Row {
  rule: string;
  code: string;
  tests: string[];
}

function read(path: string): string {
  return readFileSync(path, 'utf8');
}

const rules = [...read('docs/semantics.md').matchAll(/^\*\*([A-Z]\d+)\*\*/gm)].map(
  ([, rule = '']) => rule,
);

const rows: Row[] = [...read('docs/rules.md').matchAll(ROW)]
  .filter(([, rule]) => rule !== 'rule')
  .map(([, rule = '', code = '', tests = '']) => ({
    rule,
    code: code.trim(),
    tests: tests.trim().split(/; (?=`test\/)/),
  }));

/** Rules that are named in a file and are none. */
function strangersIn(path: string, pattern: RegExp): string[] {
  return [...read(path).matchAll(pattern)]
    .flatMap(([, named = '']) => named.match(/[A-Z]\d+/g) ?? [])
    .filter((rule) => !rules.includes(rule))
    .map((rule) => `${path}: ${rule}`);
}

/** Whether `test` says where a test is that names the rule in its title. */
function isTestOf(rule: string, test: string): boolean {
  const [, path = '', title = ''] = PLACE.exec(test) ?? [];
  if (!existsSync(path)) return false;
  const text = read(path);
  const named = title.slice(0, title.indexOf(':')).split(/, | \(/);
  return named.includes(rule) && ["'", '"', '`'].some((quote) => text.includes(quote + title));
}

describe('tidy: rules', () => {
  it('each rule has one row, in the order of the rules', () => {
    expect(rules.length).to.be.above(50);
    expect(rows.map(({ rule }) => rule)).to.deep.equal(rules);
  });

  it('each row names code that exists', () => {
    const bare = rows.filter(({ code }) => !/^`(?:src|native)\/[\w/.-]+`, `#?\w+`/.test(code));
    expect(bare).to.deep.equal([]);
  });

  it('each row names tests that exist and are named after the rule', () => {
    const missing = rows.flatMap(({ rule, tests }) =>
      tests.filter((test) => !isTestOf(rule, test)),
    );
    expect(missing).to.deep.equal([]);
  });

  it('no test is named after a rule that does not exist', () => {
    const tests = projectFiles(/^test\/.*\.test\.ts$/);
    expect(tests.flatMap((path) => strangersIn(path, TITLE))).to.deep.equal([]);
  });

  it('no comment and no document names a rule that does not exist', () => {
    const files = projectFiles(/^(src|workers|native|test|examples|bench|docs)\/.*\.(ts|cc|h|md)$/);
    expect(files.flatMap((path) => strangersIn(path, MENTION))).to.deep.equal([]);
  });
});
