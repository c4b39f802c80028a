/**
 * Session: one connection, on which requests are answered one after the other.
 *
 * While an answer is being made, or the client does not take one as fast as it
 * comes, nothing is read. So whoever sends many requests and reads no answers
 * fills the buffers of the system, and not ours; and what a client has sent
 * before it closed its half is answered.
 */
import type { ServerContext } from 'millrace/net';
import { HttpError } from './http-error.js';
import { type Request, type RequestLimits, RequestParser } from './request-parser.js';
import { chunked, CONTINUE, errorPage, headOf, isInParts, type Response } from './response.js';

export type Respond = (request: Request) => Response | Promise<Response>;

/** Answers of up to this size together are collected, and sent in one go. */
const COLLECTED_CHARACTERS_MAX = 16 * 1024;

/** How long a client may go on sending after it was told that it is too much. */
const LINGER_MS = 2000;

const NOTHING = Buffer.alloc(0);

/** What is assumed of a request that could not be understood. */
const UNKNOWN = { minorVersion: 1, isPersistent: false } as const;

/** Of those who get one of these it is known that they are still sending. */
const TOO_MUCH = [413, 414, 431];

export class Session {
  readonly #context: ServerContext;
  readonly #id: number;
  readonly #respond: Respond;
  readonly #parser: RequestParser;
  /** Answers, and heads of such, that go with the next send. */
  #collected = '';
  /** The rest of an answer's body, and the part of it that was refused. */
  #parts: Iterator<Uint8Array> | null = null;
  #part: Uint8Array | null = null;
  /** Whether an answer is being made, by a promise. */
  #isAnswering = false;
  /** Whether nothing is read; what had come by then is kept. */
  #isHeld = false;
  #rest = NOTHING;
  /** Whether the present answer is the last one, and what follows it is not looked at. */
  #isLast = false;
  #isLingering = false;
  /** Whether the connection has ended, or is being closed, or is only waited for. */
  #isOver = false;
  /** Requests that are answered, or being answered. */
  #requests = 0;
  /** Since when the client has owed the same thing, as far as {@link check} has seen. */
  #waitsSinceMs = 0;
  #checkedRequests = -1;

  constructor(context: ServerContext, id: number, limits: RequestLimits, respond: Respond) {
    this.#context = context;
    this.#id = id;
    this.#respond = respond;
    this.#parser = new RequestParser(limits, () => {
      this.#collected += CONTINUE;
    });
  }

  received(data: Uint8Array): void {
    if (this.#isOver) return;
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
    if (this.#isHeld) this.#rest = Buffer.concat([this.#rest, bytes]);
    else this.#run(bytes);
  }

  /** The connection takes more again. */
  drained(): void {
    if (this.#isHeld) this.#goOn();
  }

  /** Asked now and then: ends a wait for the client that has gone on for too long. */
  check(nowMs: number, timeoutMs: number): void {
    if (!this.#isWaiting || this.#checkedRequests !== this.#requests) {
      this.#waitsSinceMs = nowMs;
      this.#checkedRequests = this.#requests;
    } else if (nowMs - this.#waitsSinceMs >= (this.#isLingering ? LINGER_MS : timeoutMs)) {
      this.#expire();
    }
  }

  /** The connection has ended. */
  close(): void {
    this.#isOver = true;
    this.#parts?.return?.();
    this.#parts = null;
  }

  // --- From request to request ---------------------------------------------

  /** Answers what there is, as far as answers can be sent. */
  #run(bytes: Buffer): void {
    let at = 0;
    do {
      at = this.#parse(bytes, at);
      if (!this.#sendDue() || this.#isAnswering) {
        this.#hold(bytes.subarray(at));
        return;
      }
    } while (at < bytes.length && !this.#isLast);
    if (this.#isLast) this.#leave();
    else this.#release();
  }

  #goOn(): void {
    const bytes = this.#rest;
    this.#rest = NOTHING;
    this.#run(bytes);
  }

  /** Up to an answer that takes time. Returns where it stopped. */
  #parse(bytes: Buffer, from: number): number {
    let at = from;
    try {
      while (at < bytes.length && this.#isFree) {
        at = this.#parser.take(bytes, at);
        if (this.#parser.request !== null) this.#answer(this.#parser.request);
      }
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#refuse(error.status);
    }
    return at;
  }

  /** Whether the next request may be looked at. */
  get #isFree(): boolean {
    if (this.#isAnswering || this.#isLast || this.#parts !== null) return false;
    return this.#collected.length <= COLLECTED_CHARACTERS_MAX;
  }

  #hold(rest: Buffer): void {
    this.#rest = Buffer.from(rest);
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#context.pauseReads(this.#id);
  }

  #release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#context.resumeReads(this.#id);
  }

  /**
   * After the last answer. To close while bytes are unread would be a reset,
   * which may destroy the answer on its way (RFC 9112, 9.6): then the client
   * is to close first.
   */
  #leave(): void {
    this.#isOver = true;
    if (this.#isLingering) this.#release();
    else this.#context.closeConnection(this.#id);
  }

  /** Whether the client owes something: the rest of a request, or its departure. */
  get #isWaiting(): boolean {
    return this.#isLingering || (this.#parser.isInside && !this.#isHeld);
  }

  #expire(): void {
    if (this.#isOver) {
      this.#context.closeConnection(this.#id);
      return;
    }
    this.#refuse(408);
    this.#run(NOTHING);
  }

  // --- Answers -------------------------------------------------------------

  #answer(request: Request): void {
    this.#parser.request = null;
    this.#requests += 1;
    const response = this.#responseTo(request);
    if (response instanceof Promise) void this.#answerLater(request, response);
    else this.#collect(request, response);
  }

  #responseTo(request: Request): Response | Promise<Response> {
    try {
      return this.#respond(request);
    } catch {
      return errorPage(500);
    }
  }

  async #answerLater(request: Request, promise: Promise<Response>): Promise<void> {
    this.#isAnswering = true;
    const response = await promise.catch(() => errorPage(500));
    this.#isAnswering = false;
    if (this.#isOver) return;
    this.#collect(request, response);
    this.#goOn();
  }

  #collect(request: Request, response: Response): void {
    const { body = '' } = response;
    const { method, minorVersion, isPersistent } = request;
    // Before there were chunks, it was the end of the connection that ended such a body.
    this.#isLast = !isPersistent || (isInParts(body) && minorVersion === 0);
    this.#collected += headOf(response, { minorVersion, isPersistent: !this.#isLast });
    if (method === 'HEAD') return;
    if (typeof body === 'string') this.#collected += body;
    else if (!isInParts(body)) this.#parts = [body].values();
    else this.#parts = minorVersion === 0 ? body[Symbol.iterator]() : chunked(body);
  }

  #refuse(status: number): void {
    this.#requests += 1;
    this.#isLast = true;
    this.#isLingering = TOO_MUCH.includes(status);
    const response = errorPage(status);
    this.#collected += headOf(response, UNKNOWN) + response.body;
  }

  /** Sends what was collected, then the parts, as they are taken; true when all is sent. */
  #sendDue(): boolean {
    if (this.#collected !== '' && !this.#context.sendTo(this.#id, this.#collected)) return false;
    this.#collected = '';
    while (this.#parts !== null) {
      this.#part ??= this.#nextPart(this.#parts);
      if (this.#part !== null && !this.#context.sendTo(this.#id, this.#part)) return false;
      this.#part = null;
    }
    return true;
  }

  /** Null when there are no more. What fails half-way cannot be taken back: it stays short. */
  #nextPart(parts: Iterator<Uint8Array>): Uint8Array | null {
    try {
      const { done, value } = parts.next();
      if (done !== true) return value;
    } catch {
      this.#isLast = true;
    }
    this.#parts = null;
    return null;
  }
}
