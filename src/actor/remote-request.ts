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
    const { from } = this.#link.peers;
    try {
      this.#link.postMessage(new Mail(MailKind.ANSWER, from, 0, 0, this.#id, null, value));
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error: unknown): void {
    this.#link.postAnyway(MailKind.FAILURE, { slot: 0, generation: 0 }, this.#id, error);
  }
}
