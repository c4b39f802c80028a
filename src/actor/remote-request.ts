/** The wish of another thread for an answer. */
import type { Link } from './link.js';
import { Mail, MailKind } from './mail.js';
import type { Request } from './request.js';

export class RemoteRequest implements Request {
  readonly method: string | null;
  readonly #link: Link;
  readonly #id: number;

  constructor(link: Link, { id, method }: Mail) {
    this.method = method;
    this.#link = link;
    this.#id = id;
  }

  answer(value: unknown): void {
    const { peers } = this.#link;
    try {
      const mail = new Mail(MailKind.ANSWER, peers.from, 0, 0, this.#id, null, value);
      if (!this.#link.postMessage(mail)) peers.closeFlights(value);
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error: unknown): void {
    this.#link.postAnyway(MailKind.FAILURE, { slot: 0, generation: 0 }, this.#id, error);
  }
}
