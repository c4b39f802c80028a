/** What becomes of the errors of tasks for which nobody waits. */
import { channel as diagnosticsChannel } from 'node:diagnostics_channel';

/** Published on `millrace:task-failed` for each task that `spawn()` began and that failed. */
export interface TaskFailure {
  /** The URL of the module. */
  module: string;
  /** The name of the function. */
  fn: string;
  /** What it threw, whole, or what else became of it. */
  error: unknown;
}

const failedChannel = diagnosticsChannel('millrace:task-failed');

export function publishFailure(
  { href, name }: { readonly href: string; readonly name: string },
  error: unknown,
): void {
  if (!failedChannel.hasSubscribers) return;
  failedChannel.publish({ module: href, fn: name, error } satisfies TaskFailure);
}
