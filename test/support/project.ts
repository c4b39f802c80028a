/** The files of the project, as git has them or would have them. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Paths from the root, where the tests run; only files that match. */
export function projectFiles(pattern: RegExp): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    encoding: 'utf8',
  });
  return listed
    .split('\n')
    .filter((path) => pattern.test(path) && existsSync(path))
    .sort();
}
