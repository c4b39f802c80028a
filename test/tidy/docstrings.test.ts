/**
 * Every public export has a docstring, and so has every member of a public
 * class. Read in the declarations that the compiler wrote, which is what users
 * see in their editors; what is internal is not in them.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';

const ENTRIES = ['dist/src/index.d.ts', 'dist/src/net/index.d.ts'];

interface Export {
  name: string;
  file: string;
}

function exportsOf(entry: string): Export[] {
  const exported = /^export (?:type )?\{([^}]*)\} from '([^']+)'/gm;
  return [...readFileSync(entry, 'utf8').matchAll(exported)].flatMap(([, names = '', from = '']) =>
    names
      .split(',')
      .map((name) => name.trim().replace(/^type /, ''))
      // The compiler may leave a comma behind the last.
      .filter((name) => name !== '')
      .map((name) => ({ name, file: join(dirname(entry), from.replace(/\.js$/, '.d.ts')) })),
  );
}

/** What of an export has no comment right above it: its name, or those of members. */
function bareOf({ name, file }: Export): string[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  const kinds = '(?:declare |abstract )*(class|interface|type|const|function)';
  const start = lines.findIndex((line) => new RegExp(`^export ${kinds} ${name}\\b`).test(line));
  if (start < 0) return [`${name} is not declared in ${file}`];
  const bare = isDocumented(lines, start) ? [] : [name];
  if (!/\bclass\b/.test(lines[start] ?? '')) return bare;
  const end = lines.indexOf('}', start);
  for (let at = start + 1; at < end; at++) {
    const member = memberAt(lines, at);
    // The first of several signatures stands for all, and a getter for its setter.
    if (member === null || member === memberAt(lines, at - 1)) continue;
    if (!isDocumented(lines, at)) bare.push(`${name}.${member}`);
  }
  return bare;
}

/** The member that a line declares for users; null if it declares none. */
function memberAt(lines: readonly string[], at: number): string | null {
  const declared = /^ {4}(?:(?:static|readonly|abstract|get|set) )*([\w[\].#]+)/.exec(
    lines[at] ?? '',
  );
  const name = declared?.[1] ?? '#';
  return /^(#|private$|protected$)/.test(name) ? null : name;
}

function isDocumented(lines: readonly string[], at: number): boolean {
  return /\*\/$/.test(lines[at - 1] ?? '');
}

describe('tidy: docstrings', () => {
  it('every public export, and every member of a public class, has one', () => {
    const all = ENTRIES.flatMap(exportsOf);
    expect(all.length).to.be.above(120);
    expect(all.flatMap(bareOf)).to.deep.equal([]);
  });
});
