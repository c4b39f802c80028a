/** Buffer's own ways with strings, which its types leave out. */
export interface TextBuffer extends Buffer {
  latin1Write(text: string, offset: number, length: number): number;
  ucs2Write(text: string, offset: number, length: number): number;
  latin1Slice(start: number, end: number): string;
  ucs2Slice(start: number, end: number): string;
}

/**
 * A stretch of memory with the views that the codec needs on it. Made once per
 * ring and used for every frame in it.
 */
export class Memory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly length: number;

  /**
   * The same bytes once more, for Buffer's ways with long strings. Not used for
   * the rest: copying out of a Buffer takes twice as long as out of `bytes`.
   */
  readonly text: TextBuffer;

  constructor(buffer: SharedArrayBuffer | ArrayBuffer, byteOffset = 0, byteLength?: number) {
    const length = byteLength ?? buffer.byteLength - byteOffset;
    this.bytes = new Uint8Array(buffer, byteOffset, length);
    this.view = new DataView(buffer, byteOffset, length);
    this.text = Buffer.from(buffer as ArrayBuffer, byteOffset, length) as TextBuffer;
    this.length = length;
  }
}
