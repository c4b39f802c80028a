/** A loop on a driver under the test's control, and handlers that write down what happens. */
import type { EventLoopConfig } from '../../src/loop/config.js';
import { EventLoop } from '../../src/loop/event-loop.js';
import type { Handler } from '../../src/loop/handler.js';
import { Interest } from '../../src/poll/interest.js';
import { FakeDriver, type FakePoller, FakeSource } from './fake-driver.js';

export interface World {
  driver: FakeDriver;
  poller: FakePoller;
  loop: EventLoop<string, string>;
  log: string[];
}

export function world(config: EventLoopConfig = {}): World {
  const driver = new FakeDriver();
  const loop = new EventLoop<string, string>({ driver, ...config });
  return { driver, poller: driver.poller, loop, log: [] };
}

/** A handler that writes down what it is called with. */
export function recorder(
  log: string[],
  more: Handler<string, string> = {},
): Handler<string, string> {
  return {
    readable: (_, token) => void log.push(`readable ${token}`),
    writable: (_, token) => void log.push(`writable ${token}`),
    notify: (_, message) => void log.push(`notify ${message}`),
    timeout: (_, payload) => void log.push(`timeout ${payload}`),
    signal: (_, { signal }) => void log.push(`signal ${signal}`),
    interrupted: () => void log.push('interrupted'),
    tick: () => void log.push('tick'),
    ...more,
  };
}

export function readySource({ driver, poller, loop }: World, token: number): FakeSource {
  const source = new FakeSource(driver);
  loop.register(source, token, Interest.READABLE | Interest.WRITABLE);
  poller.ready(source.handle, Interest.READABLE);
  return source;
}
