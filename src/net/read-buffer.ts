/** The memory into which all connections of a server, or of a client, are read. */
export class ReadBuffer {
  readonly sizeBytes: number;
  #bytes: Uint8Array;
  #view: Uint8Array;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#bytes = new Uint8Array(sizeBytes);
    this.#view = this.#bytes;
  }

  /** Where to read to. A handler may have given the memory away, to another thread say. */
  get bytes(): Uint8Array {
    if (this.#bytes.length === 0) {
      this.#bytes = new Uint8Array(this.sizeBytes);
      this.#view = this.#bytes;
    }
    return this.#bytes;
  }

  /** What was read. Messages of one size in a row share a view, which saves making it. */
  view(sizeBytes: number): Uint8Array {
    if (this.#view.length !== sizeBytes) this.#view = this.#bytes.subarray(0, sizeBytes);
    return this.#view;
  }
}
