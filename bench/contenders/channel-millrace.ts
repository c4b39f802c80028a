/** Two loops, each on a thread of its own, and a sender to each on the other. */
import { once } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import { EventLoop, Sender } from 'millrace';
import { type End, type Sink, startContender } from './channel-ends.js';
import { type Kind, messageAt, messagesOf } from './channel-protocol.js';

class MillraceEnd implements End {
  readonly #sender: Sender;
  #sink: Sink = () => {};

  constructor(loop: EventLoop, sender: Sender) {
    this.#sender = sender;
    void loop.run({ notify: (_, message) => this.#sink(message) });
  }

  static async open(port: MessagePort): Promise<MillraceEnd> {
    const loop = new EventLoop();
    port.postMessage(loop.channel().transfer());
    const [handle] = await once(port, 'message');
    port.close();
    return new MillraceEnd(loop, Sender.from(handle));
  }

  deliverTo(sink: Sink): void {
    this.#sink = sink;
  }

  /** Refused for lack of room, a message is sent again and waited for. */
  async stream(kind: Kind, count: number): Promise<void> {
    const sender = this.#sender;
    const messages = messagesOf(kind);
    for (let place = 0; place < count; place++) {
      const message = messageAt(messages, place);
      if (!sender.send(message)) await sender.sendAsync(message);
    }
  }

  answer(): void {
    this.#sink = (question) => {
      if (!this.#sender.send(question)) throw new Error('no room for an answer');
    };
  }

  ask(question: number, answered: Sink): void {
    this.#sink = answered;
    if (!this.#sender.send(question)) throw new Error('no room for a question');
  }
}

await startContender(import.meta.url, (port) => MillraceEnd.open(port));
