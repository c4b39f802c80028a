/** Comlink: a call for each message, so many of them under way together. */
import type { MessagePort } from 'node:worker_threads';
import { expose, type Remote, wrap } from 'comlink';
import { type End, type Sink, startContender } from './channel-ends.js';
import { type Kind, messageAt, messagesOf } from './channel-protocol.js';

const CALLS_UNDER_WAY = 256;

interface Receiver {
  receive(message: unknown): void;
  echo(question: number): number;
}

class ComlinkEnd implements End {
  readonly #there: Remote<Receiver>;
  #sink: Sink = () => {};

  constructor(port: MessagePort) {
    const receiver: Receiver = {
      receive: (message) => this.#sink(message),
      echo: (question) => question,
    };
    expose(receiver, port);
    this.#there = wrap<Receiver>(port);
  }

  deliverTo(sink: Sink): void {
    this.#sink = sink;
  }

  async stream(kind: Kind, count: number): Promise<void> {
    const messages = messagesOf(kind);
    for (let place = 0; place < count; ) {
      const calls: Promise<void>[] = [];
      for (; place < count && calls.length < CALLS_UNDER_WAY; place++) {
        calls.push(this.#there.receive(messageAt(messages, place)));
      }
      await Promise.all(calls);
    }
  }

  /** Calls are answered anyway. */
  answer(): void {}

  ask(question: number, answered: Sink): void {
    void this.#there.echo(question).then(answered);
  }
}

await startContender(import.meta.url, (port) => new ComlinkEnd(port));
