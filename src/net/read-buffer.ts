/**
 * The memory into which all connections of a server, or of a client, are read.
 * One system call fetches what there is, up to its size, and handlers get it in
 * pieces of the size that they want.
 */
export class ReadBuffer {
  readonly sizeBytes: number;
  readonly pieceBytes: number;
  #bytes: Uint8Array;
  #view: Uint8Array;

  /** `roomBytes`: what one read may fetch, a little less or one piece at least. */
  constructor(pieceBytes: number, roomBytes: number) {
    this.pieceBytes = pieceBytes;
    // A whole number of pieces, so that only the last may be a short one.
    this.sizeBytes = Math.max(1, Math.floor(roomBytes / pieceBytes)) * pieceBytes;
    this.#bytes = new Uint8Array(this.sizeBytes);
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
