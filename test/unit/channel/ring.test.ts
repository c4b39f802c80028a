/** A lane's ring on one thread, where each byte of it can be looked at. */
import { expect } from 'chai';
import { LANE_HEADER_BYTES, Marker } from '../../../src/channel/lane-header.js';
import { RingReader } from '../../../src/channel/ring-reader.js';
import { Published, RingWriter } from '../../../src/channel/ring-writer.js';
import { Segment } from '../../../src/channel/segment.js';
import { SEGMENT_BYTES, SEGMENT_CALM } from '../../../src/limits.js';
import { MemorySide } from '../../support/lanes.js';
import { random } from '../../support/random.js';
import { thrownBy } from '../../support/thrown.js';

class Ring {
  readonly side = new MemorySide();
  readonly header = new Int32Array(new SharedArrayBuffer(LANE_HEADER_BYTES));
  readonly segment: Segment;
  readonly writer: RingWriter;
  readonly reader: RingReader<unknown>;

  constructor(size: number) {
    const { header, side } = this;
    this.segment = Segment.allocate(size);
    this.writer = new RingWriter({ header, side, segment: this.segment });
    this.reader = new RingReader({ number: 0, header, side, segment: this.segment });
  }

  send(message: unknown): Published {
    this.writer.write(message, undefined);
    return this.writer.publish();
  }

  take(): unknown {
    this.reader.look();
    return this.reader.take();
  }

  /** Segments after the first. */
  get segments(): SharedArrayBuffer[] {
    return this.side.posts
      .flat()
      .filter((value): value is SharedArrayBuffer => value instanceof SharedArrayBuffer);
  }
}

/** A message whose frame has so many bytes, with its seal, for 3 to 30. */
function messageOf(frameBytes: number): string {
  return 'm'.repeat(frameBytes - 2);
}

/** An object, one with a part that bytes cannot carry, or a text. */
function messageOfKind(kind: number, size: number, step: number): unknown {
  if (kind < 0.2) return { step, size };
  if (kind < 0.5) return ['x'.repeat(size % 40), new SharedArrayBuffer(step)];
  return 'x'.repeat(size) + step;
}

describe('Ring', () => {
  const SIZE = 96;

  it('wraps at every offset, with frames of every size', () => {
    for (let offset = 3; offset < SIZE; offset++) {
      for (let frameBytes = 3; frameBytes <= 30; frameBytes++) {
        const ring = new Ring(SIZE);
        for (let left = offset; left > 0; ) {
          const bytes = left > 32 ? 30 : left > 5 ? left - 3 : left;
          if (bytes > 30 || left - bytes === 1 || left - bytes === 2) {
            ring.send(messageOf(3));
            left -= 3;
          } else {
            ring.send(messageOf(bytes));
            left -= bytes;
          }
          ring.take();
        }
        for (let round = 0; round < 12; round++) {
          const message = `${messageOf(frameBytes - 1)}${round % 10}`;
          ring.send(message);
          expect(ring.take(), `offset ${offset}, ${frameBytes} bytes`).to.equal(message);
        }
        expect(ring.segments, `offset ${offset}, ${frameBytes} bytes`).to.deep.equal([]);
      }
    }
  });

  it('does as an array would, whatever the sizes, with segments that grow', () => {
    const numbers = random();
    for (let trial = 0; trial < 40; trial++) {
      const ring = new Ring(64 + Math.floor(numbers.next() * 64));
      const model: unknown[] = [];
      for (let step = 0; step < 600; step++) {
        const rising = Math.sin((step / 600) * Math.PI * 8) > 0 ? 0.7 : 0.3;
        if (numbers.next() < rising) {
          const size = Math.floor(numbers.next() ** 4 * 300);
          const message = messageOfKind(numbers.next(), size, step);
          expect(ring.send(message)).to.equal(Published.DONE);
          model.push(message);
        } else if (model.length > 0) {
          expect(ring.take(), `seed ${numbers.seed}`).to.deep.equal(model.shift());
        }
        expect(ring.reader.arrived, `seed ${numbers.seed}`).to.be.at.most(model.length);
      }
      while (model.length > 0) expect(ring.take()).to.deep.equal(model.shift());
    }
  });

  it('takes a message larger than any segment so far', () => {
    const ring = new Ring(SEGMENT_BYTES);
    const large = Buffer.alloc(5_000_000, 'abc').toString();
    ring.send('before');
    ring.send(large);
    ring.send('after');
    expect([ring.take(), ring.take() === large, ring.take()]).to.deep.equal([
      'before',
      true,
      'after',
    ]);
    expect(ring.segments.map((segment) => segment.byteLength)).to.deep.equal([2 ** 23 + 64]);
  });

  it('goes back to a small segment after a burst, not between large messages', () => {
    const ring = new Ring(SEGMENT_BYTES);
    const large = 'x'.repeat(3 * SEGMENT_BYTES);
    for (let round = 0; round < 3 * SEGMENT_CALM; round++) {
      ring.send(large);
      ring.take();
    }
    // One that holds the message, and one that holds it at any offset.
    expect(ring.segments).to.have.length(2);
    for (let round = 0; round < 3 * SEGMENT_CALM; round++) {
      ring.send(round);
      expect(ring.take()).to.equal(round);
    }
    expect(ring.segments.map((segment) => segment.byteLength)).to.deep.equal([
      4 * SEGMENT_BYTES + 64,
      8 * SEGMENT_BYTES + 64,
      SEGMENT_BYTES + 64,
    ]);
  });

  it('what fails leaves no trace', () => {
    const ring = new Ring(SIZE);
    ring.send({ first: 1 });
    const bad = { second: 2, no: () => {} };
    expect(thrownBy(() => ring.writer.write(bad, undefined)).name).to.equal('DataCloneError');
    const shared = new SharedArrayBuffer(8);
    ring.side.failure = new DOMException('not this time', 'DataCloneError');
    expect(thrownBy(() => ring.writer.write({ shared }, undefined)).message).to.equal(
      'not this time',
    );
    ring.send({ second: 3 });
    ring.send({ shared });
    expect([ring.take(), ring.take(), ring.take()]).to.deep.equal([
      { first: 1 },
      { second: 3 },
      { shared },
    ]);
  });

  it('a getter that sends to the same loop is refused, and harms nothing', () => {
    const ring = new Ring(SIZE);
    const message = {
      get inner() {
        return thrownBy(() => ring.send('inside')).name;
      },
    };
    ring.send(message);
    expect(ring.take()).to.deep.equal({ inner: 'DataCloneError' });
    expect(ring.reader.look()).to.equal(0);
  });

  it('nor does one that sends when the ring is about to go back to a small segment', () => {
    const ring = new Ring(SEGMENT_BYTES);
    ring.send('x'.repeat(3 * SEGMENT_BYTES));
    ring.take();
    for (let round = 0; round < 2 * SEGMENT_CALM; round++) {
      ring.send({
        round,
        get inner() {
          return thrownBy(() => ring.send('inside')).name;
        },
      });
      expect(ring.take()).to.deep.equal({ round, inner: 'DataCloneError' });
    }
    expect(ring.segments.at(-1)?.byteLength).to.equal(SEGMENT_BYTES + 64);
  });

  it('C5: a message published after the reader fell asleep says so, once', () => {
    const ring = new Ring(SIZE);
    expect(ring.reader.fallAsleep()).to.equal(true);
    expect(ring.send(1)).to.equal(Published.WHILE_ASLEEP);
    expect(ring.send(2)).to.equal(Published.DONE);
    expect(ring.reader.fallAsleep()).to.equal(false);
    expect([ring.take(), ring.take()]).to.deep.equal([1, 2]);
  });

  describe('C6: bytes that no writer wrote', () => {
    it('are no message: unknown tags, and markers that lead nowhere', () => {
      for (const byte of [0xef, 0xf0, 0xfc, Marker.FOREIGN, Marker.SEGMENT]) {
        const ring = new Ring(SIZE);
        ring.send('sound');
        ring.segment.memory.bytes[0] = byte;
        expect(thrownBy(() => ring.take()).code, `byte ${byte}`).to.equal('ERR_CHANNEL_BROKEN');
        expect(ring.reader.isBroken).to.equal(true);
        expect(ring.reader.arrived).to.equal(0);
      }
    });

    it('do not make the reader go round for ever', () => {
      const ring = new Ring(SIZE);
      ring.send('sound');
      ring.segment.memory.bytes[0] = Marker.WRAP;
      expect(thrownBy(() => ring.take()).code).to.equal('ERR_CHANNEL_BROKEN');
    });

    it('that make a frame shorter or longer are found out at its end', () => {
      for (const delta of [-1, 1, 7]) {
        const ring = new Ring(SIZE);
        ring.send('a text of some length');
        ring.send('another one');
        ring.segment.memory.bytes[0] += delta;
        expect(thrownBy(() => ring.take()).code, `${delta}`).to.equal('ERR_CHANNEL_BROKEN');
      }
    });

    it('are a message or an error, and nothing after an error', () => {
      const numbers = random();
      for (let trial = 0; trial < 3000; trial++) {
        const ring = new Ring(1024);
        for (let i = 0; i < 10; i++) ring.send({ kind: 'entry', index: i, body: 'x'.repeat(i) });
        for (let hits = 0; hits < 3; hits++) {
          const at = Math.floor(numbers.next() * 300);
          ring.segment.memory.bytes[at] = Math.floor(numbers.next() * 256);
        }
        ring.reader.look();
        for (let i = 0; i < 10 && !ring.reader.isBroken; i++) {
          try {
            ring.reader.take();
          } catch (error) {
            const { code } = error as { code?: string };
            expect(code, `seed ${numbers.seed}`).to.equal('ERR_CHANNEL_BROKEN');
          }
        }
      }
    });

    it('a count that is too high reads nothing that is not there', () => {
      const ring = new Ring(SIZE);
      ring.send(1);
      Atomics.add(ring.header, 0, 3);
      expect(ring.take()).to.equal(1);
      expect(thrownBy(() => ring.take()).code).to.equal('ERR_CHANNEL_BROKEN');
    });
  });
});
