/** The tasks of docs/how-to/use-the-compute-pool.md. They run in threads of a pool. */
import { deflateSync } from 'node:zlib';
import { reportProgress, transfer } from 'millrace';

const CHUNK_BYTES = 65_536;

/** Compresses chunk by chunk, and tells after each which share is done. */
export function compress(state: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < state.length; at += CHUNK_BYTES) {
    chunks.push(new Uint8Array(deflateSync(state.subarray(at, at + CHUNK_BYTES))));
    reportProgress(Math.min(1, (at + CHUNK_BYTES) / state.length));
  }
  return transfer(
    chunks,
    chunks.map((chunk) => chunk.buffer),
  );
}
