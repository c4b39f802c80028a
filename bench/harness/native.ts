/** Builds the C programs in `bench/native/`, which no installation does. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** From `dist/bench/harness/` to the sources: the compiled tree holds no C. */
const NATIVE_DIRECTORY = fileURLToPath(new URL('../../../bench/native/', import.meta.url));

/** `g++ -x c` rather than `cc`: the addon needs g++ anyway, and nothing else is assumed. */
const COMPILER = process.env.CXX ?? 'g++';
const FLAGS = ['-x', 'c', '-std=c17', '-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra', '-Werror'];

/** The path of the executable, compiled anew if its source or any header has changed. */
export function nativeProgram(name: string): string {
  const source = `${NATIVE_DIRECTORY}${name}.c`;
  const program = `${NATIVE_DIRECTORY}build/${name}`;
  if (!existsSync(program) || statSync(program).mtimeMs < changedMs(source)) {
    mkdirSync(`${NATIVE_DIRECTORY}build`, { recursive: true });
    execFileSync(COMPILER, [...FLAGS, '-o', program, source], { stdio: 'inherit' });
  }
  return program;
}

function changedMs(source: string): number {
  const headers = readdirSync(NATIVE_DIRECTORY).filter((file) => file.endsWith('.h'));
  const paths = [source, ...headers.map((header) => `${NATIVE_DIRECTORY}${header}`)];
  return Math.max(...paths.map((path) => statSync(path).mtimeMs));
}
