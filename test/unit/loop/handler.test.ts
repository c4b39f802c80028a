/** What the types of Handler let its users write; that this file compiles is half of the test. */
import { expect } from 'chai';
import { type EventLoop, Handler } from '../../../src/index.js';
import { HANDLER_METHODS } from '../../../src/loop/handler.js';

type Results = { [K in keyof Handler]-?: ReturnType<NonNullable<Handler[K]>> };

class Plain extends Handler<number, string> {
  readonly called: string[] = [];

  override readable(): void {
    this.called.push('readable');
  }

  override timeout(_loop: EventLoop<number, string>, payload: string): void {
    this.called.push(payload);
  }
}

class Async extends Handler<number, string> {
  override async readable(): Promise<void> {}
  override async writable(): Promise<void> {}
  override async ready(): Promise<void> {}
  override async timeout(_loop: EventLoop<number, string>, payload: string): Promise<string> {
    return payload;
  }
  override async signal(): Promise<void> {}
  override async interrupted(): Promise<void> {}
  override async tick(): Promise<void> {}
}

describe('Handler', () => {
  it('A9: every callback may return a promise, or nothing, as far as types go', async () => {
    // Each line is an error of types where the result is `void`, or a promise only.
    const promise = Promise.resolve(1);
    const results: Results = {
      readable: promise,
      writable: promise,
      ready: promise,
      notify: promise,
      timeout: promise,
      signal: promise,
      interrupted: promise,
      tick: promise,
      started: promise,
      stopped: promise,
    };
    expect(Object.keys(results)).to.have.members(HANDLER_METHODS);
    const handlers: Handler<number, string>[] = [new Plain(), new Async()];
    for (const handler of handlers) await handler.readable?.(null as never, 0, null as never);
    expect((handlers[0] as Plain).called).to.deep.equal(['readable']);
  });
});
