/** Where the figures were taken; without it they mean nothing a week later. */
import { arch, cpus, loadavg, release, totalmem, type } from 'node:os';

export interface Environment {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  /** What the pollers of Millrace stand on. */
  readonly backend: string;
  readonly date: string;
  /** Load averages of 1, 5 and 15 minutes when the run began: above 0.5, distrust. */
  readonly loadAverage: readonly number[];
}

export function readEnvironment(): Environment {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGib: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    kernel: `${type()} ${release()} ${arch()}`,
    node: process.version,
    backend: pollBackend(),
    date: new Date().toISOString(),
    loadAverage: loadavg(),
  };
}

export function formatEnvironment(environment: Environment): string {
  const { cpu, cores, memoryGib, kernel, node, backend, date, loadAverage } = environment;
  const load = loadAverage.map((value) => value.toFixed(2)).join(' ');
  return [
    `CPU      ${cpu}, ${cores} cores, ${memoryGib} GiB`,
    `kernel   ${kernel}`,
    `Node     ${node}`,
    `backend  ${backend}`,
    `date     ${date}`,
    `load     ${load} (1, 5 and 15 minutes, before the run)`,
  ].join('\n');
}

/** On Linux, where the benchmarks run: epoll, unless poll(2) is asked for. */
function pollBackend(): string {
  return process.env.MILLRACE_POLL_BACKEND === 'poll' ? 'poll' : 'epoll';
}
