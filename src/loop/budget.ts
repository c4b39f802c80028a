import { BUDGET_STRIDE_MAX } from '../limits.js';
import type { Driver } from '../poll/driver.js';

/**
 * How long the callbacks of one tick may go on. Reading the clock costs as
 * much as a quick callback, so it is read after the first, and then ever more
 * rarely up to once in {@link BUDGET_STRIDE_MAX}: slow callbacks are noticed at
 * once, quick ones hardly pay.
 */
export class Budget {
  readonly #driver: Driver;
  readonly #budgetMs: number;
  #endMs = 0;
  #stride = 1;
  #untilRead = 1;

  constructor(driver: Driver, budgetMs: number) {
    this.#driver = driver;
    this.#budgetMs = budgetMs;
  }

  /** The tick's callbacks begin at this time. */
  begin(nowMs: number): void {
    this.#endMs = nowMs + this.#budgetMs;
    this.#stride = 1;
    this.#untilRead = 1;
  }

  /** To be asked after each callback. */
  isSpent(): boolean {
    this.#untilRead -= 1;
    if (this.#untilRead > 0) return false;
    this.#stride = Math.min(this.#stride * 2, BUDGET_STRIDE_MAX);
    this.#untilRead = this.#stride;
    return this.#driver.now() >= this.#endMs;
  }
}
