/** The house rules that a machine can see: names, lengths, left-overs. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect } from 'chai';
import { projectFiles } from '../support/project.js';

const CODE = /^(src|workers|native|test|examples|bench)\/.*\.(ts|cc|h|c|sh)$/;
const COLUMNS_MAX = 100;

function lines(path: string): string[] {
  return readFileSync(path, 'utf8').replace(/\n$/, '').split('\n');
}

function linesMax(path: string): number {
  if (path.startsWith('test/') || path.startsWith('native/test/')) return 800;
  return 600;
}

describe('tidy: files', () => {
  const files = projectFiles(CODE);

  it('no line is longer than 100 columns', () => {
    const long = files.flatMap((path) =>
      lines(path).flatMap((line, index) =>
        [...line].length > COLUMNS_MAX && !line.includes('http') ? [`${path}:${index + 1}`] : [],
      ),
    );
    expect(long).to.deep.equal([]);
  });

  it('no file is longer than 600 lines, no test than 800, no contract than 250', () => {
    const contracts = ['src/loop/handler.ts', 'src/poll/driver.ts', 'native/core/poller.h'];
    const long = files.filter((path) => lines(path).length > linesMax(path));
    const longContracts = contracts.filter((path) => lines(path).length > 250);
    expect([...long, ...longContracts]).to.deep.equal([]);
  });

  it('TypeScript is named in kebab-case, C and C++ in snake_case', () => {
    const odd = files.filter((path) => {
      const name = basename(path);
      if (path.endsWith('.ts')) return !/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/.test(name);
      return !/^[a-z0-9]+(_[a-z0-9]+)*\.(cc|h|c|sh)$/.test(name);
    });
    expect(odd).to.deep.equal([]);
  });

  it('a file begins with a comment or an import, and ends with a newline', () => {
    const odd = files.filter((path) => {
      const text = readFileSync(path, 'utf8');
      return !/^(\/\*\*|\/\*|\/\/|#|import|export)/.test(text) || !text.endsWith('\n');
    });
    expect(odd).to.deep.equal([]);
  });

  it('nothing is left to be done, focused or skipped', () => {
    const marks =
      /\b(TO(?:)DO|FIX(?:)ME|XX(?:)X|HA(?:)CK)\b|\b(describe|it)\.(on(?:)ly|sk(?:)ip)\(/;
    const marked = files.filter((path) => marks.test(readFileSync(path, 'utf8')));
    expect(marked).to.deep.equal([]);
  });

  it('thread entry points are under 60 lines', () => {
    const workers = projectFiles(/^workers\/.*\.ts$/);
    expect(workers.filter((path) => lines(path).length >= 60)).to.deep.equal([]);
  });
});
