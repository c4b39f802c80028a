/**
 * Values that Node itself copies or moves, and bytes cannot carry, in messages
 * between the threads of a system: what arrives, there and back, as what (rule C4).
 */
import { createSecretKey, generateKeyPairSync, webcrypto, X509Certificate } from 'node:crypto';
import { open } from 'node:fs/promises';
import { BlockList } from 'node:net';
import { createHistogram } from 'node:perf_hooks';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { type ActorSystem, transfer } from '../../src/index.js';
import type { Errand } from '../fixtures/actors/porter.js';
import { leavesNothingBehind } from '../support/leaks.js';
import { threadStagesAfterEach } from '../support/shards.js';

leavesNothingBehind();

const PORTER = new URL('../fixtures/actors/porter.js', import.meta.url);

const CERTIFICATE = `
-----BEGIN CERTIFICATE-----
MIIBiDCCAS2gAwIBAgIUFHrMXDmWLAP9WWSLulyN7d6/E/owCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNbWlsbHJhY2UudGVzdDAgFw0yNjExMjAxNTI3NDNaGA8yMTI2
MTAyNzE1Mjc0M1owGDEWMBQGA1UEAwwNbWlsbHJhY2UudGVzdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABMEVa2OgKeQ49x15aX9wG18FU3ag9KUnMrr+PHa9JHUv
hSKUM7f07pvfLf+E4fUDuIiX0MAf0gjLWO1Wc1N7baqjUzBRMB0GA1UdDgQWBBRi
PZW6DHpyLA6vOLPuugOBEbG/nTAfBgNVHSMEGDAWgBRiPZW6DHpyLA6vOLPuugOB
EbG/nTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDhFUR+kxaL
/i7o6QnPO939gw9Pqc7aDltSnFAfH0S9SAIhAJerWryANLPCvad+zlNxPvg2nAVw
OsQMW/3BayTj9M/t
-----END CERTIFICATE-----
`;

interface Row {
  readonly name: string;
  readonly make: () => object | Promise<object>;
  /** What it is known by, where it has come back. */
  readonly look: (value: never) => unknown;
  readonly expected: unknown;
}

const COPIED: readonly Row[] = [
  {
    name: 'KeyObject',
    make: () => createSecretKey(Buffer.from('key')),
    look: (key: { export(): Buffer }) => String(key.export()),
    expected: 'key',
  },
  {
    name: 'private KeyObject',
    make: () => generateKeyPairSync('ed25519').privateKey,
    look: ({ type, asymmetricKeyType }: { type: string; asymmetricKeyType: string }) =>
      `${type} ${asymmetricKeyType}`,
    expected: 'private ed25519',
  },
  {
    name: 'CryptoKey',
    make: () => webcrypto.subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['encrypt']),
    look: ({ type, usages }: webcrypto.CryptoKey) => [type, usages],
    expected: ['secret', ['encrypt']],
  },
  {
    name: 'X509Certificate',
    make: () => new X509Certificate(CERTIFICATE),
    look: ({ subject }: X509Certificate) => subject,
    expected: 'CN=millrace.test',
  },
  {
    name: 'Blob',
    make: () => new Blob(['some text'], { type: 'text/plain' }),
    look: (blob: Blob) => blob.text(),
    expected: 'some text',
  },
  {
    name: 'Histogram',
    make: () => {
      const histogram = createHistogram();
      histogram.record(7);
      return histogram;
    },
    look: ({ count, max }: { count: number; max: number }) => [count, max],
    expected: [1, 7],
  },
  {
    name: 'BlockList',
    make: () => {
      const list = new BlockList();
      list.addAddress('10.0.0.1');
      return list;
    },
    look: (list: BlockList) => [list.check('10.0.0.1'), list.check('10.0.0.2')],
    expected: [true, false],
  },
];

const MOVED: readonly Row[] = [
  {
    name: 'MessagePort',
    make: () => new MessageChannel().port1,
    look: (port: { close(): void }) => port.close(),
    expected: undefined,
  },
  {
    name: 'FileHandle',
    make: () => open(new URL(import.meta.url)),
    look: async (file: Awaited<ReturnType<typeof open>>) => {
      const { bytesRead } = await file.read(Buffer.alloc(3), 0, 3, 0);
      await file.close();
      return bytesRead;
    },
    expected: 3,
  },
  {
    name: 'ReadableStream',
    make: () => new Blob(['some text']).stream(),
    look: (stream: ReadableStream) => new Response(stream).text(),
    expected: 'some text',
  },
  {
    name: 'ArrayBuffer',
    make: () => new Uint8Array([1, 2, 3]).buffer,
    look: (buffer: ArrayBuffer) => [...new Uint8Array(buffer)],
    expected: [1, 2, 3],
  },
];

describe('values that only Node itself can copy or move, between threads', function () {
  this.timeout(30_000);
  const start = threadStagesAfterEach();
  let system: ActorSystem;

  beforeEach(async () => {
    system = (await start({ shards: 1 })).system;
  });

  async function thereAndBack(value: object, moves: boolean): Promise<object> {
    const porter = await system.spawn<Errand>(PORTER, { export: 'Porter' });
    const errand: Errand = ['swap', value, moves];
    const answer = await porter.ask<[object]>(moves ? transfer(errand, [value]) : errand);
    return answer[0];
  }

  for (const { name, make, look, expected } of COPIED) {
    it(`C4: ${name} is copied`, async () => {
      const value = await make();
      const copy = await thereAndBack(value, false);
      expect(copy).not.to.equal(value);
      expect(copy.constructor.name).to.equal(value.constructor.name);
      expect(await look(copy as never)).to.deep.equal(expected);
      expect(await look(value as never)).to.deep.equal(expected);
    });
  }

  for (const { name, make, look, expected } of MOVED) {
    it(`C4: ${name} is moved`, async () => {
      const value = await make();
      const { constructor } = value;
      const moved = await thereAndBack(value, true);
      expect(moved.constructor.name).to.equal(constructor.name);
      expect(await look(moved as never)).to.deep.equal(expected);
    });
  }
});
