/** Sources in flight in messages: how the codec finds them, and how they are closed. */
import { expect } from 'chai';
import type { SourceHandle } from '../../../src/index.js';
import { closeFlights } from '../../../src/channel/close-flights.js';
import { Encoder, OVERFLOW } from '../../../src/channel/codec/encoder.js';
import { Memory } from '../../../src/channel/codec/memory.js';
import { FLIGHT_SEARCH_MAX } from '../../../src/limits.js';
import { numberOf } from '../../../src/poll/source-handle.js';
import { FakeDriver } from '../../support/fake-driver.js';
import { leavesNothingBehind } from '../../support/leaks.js';
import { thrownBy } from '../../support/thrown.js';

leavesNothingBehind();

const KIND = 'TcpStream';

class Work {
  readonly handle: SourceHandle;

  constructor(handle: SourceHandle) {
    this.handle = handle;
  }
}

/** Messages with a handle somewhere in them, by where it is. */
const PLACES: Record<string, (handle: SourceHandle) => unknown> = {
  itself: (handle) => handle,
  'a copy': (handle) => ({ ...handle }),
  'a field': (handle) => ({ kind: 'serve', handle }),
  'an array': (handle) => ['serve', [1, handle]],
  'a key of a Map': (handle) => new Map([[handle, 1]]),
  'a value of a Map': (handle) => new Map([[1, { handle }]]),
  'a Set': (handle) => new Set([handle]),
  'an instance': (handle) => new Work(handle),
  'a field of an error': (handle) => Object.assign(new Error('e'), { handle }),
  'the cause of an error': (handle) => new Error('e', { cause: { handle } }),
  'an array with holes': (handle) => Object.assign([], { 7: handle }),
  'a circle': (handle) => {
    const circle = { self: null as unknown, handle };
    circle.self = circle;
    return circle;
  },
};

describe('closeFlights()', () => {
  let driver: FakeDriver;
  let fd = 10;

  beforeEach(() => {
    driver = new FakeDriver();
  });

  function inFlight(): SourceHandle {
    fd += 1;
    const generation = driver.io.release(fd, numberOf(KIND));
    return { millrace: 'source', driver: driver.name, kind: KIND, fd, generation };
  }

  for (const [place, make] of Object.entries(PLACES)) {
    it(`finds a source in ${place}`, () => {
      const handle = inFlight();
      closeFlights(driver, make(handle));
      expect(driver.io.closedHandles).to.deep.equal([handle.fd]);
      expect(driver.io.countInFlight()).to.equal(0);
    });
  }

  it('closes all that there are, and each once', () => {
    const handles = [inFlight(), inFlight(), inFlight()];
    const others = inFlight();
    closeFlights(driver, [...handles, { handles }]);
    closeFlights(driver, handles);
    expect(driver.io.closedHandles).to.deep.equal(handles.map((handle) => handle.fd));
    expect(driver.io.acquire(others.fd, others.generation, numberOf(KIND))).to.equal(others.fd);
  });

  it('touches nothing that was taken, nor what is of another driver or made up', () => {
    const taken = inFlight();
    inFlight();
    driver.io.acquire(taken.fd, taken.generation, numberOf(KIND));
    const handle = inFlight();
    const wrong = [
      taken,
      { ...handle, driver: 'native' },
      { ...handle, kind: 'Sofa' },
      { ...handle, fd: -1 },
      { ...handle, generation: handle.generation + 100 },
      { ...handle, millrace: 'sender' },
    ];
    for (const value of [...wrong, null, undefined, 7, 'source', () => handle]) {
      closeFlights(driver, value);
    }
    expect(driver.io.closedHandles).to.deep.equal([]);
  });

  it('calls no code of the message', () => {
    const handle = inFlight();
    const refuse = () => {
      throw new Error('called');
    };
    const trapped = new Proxy({ handle }, { get: refuse, ownKeys: refuse, has: refuse });
    const message = { trapped, handle };
    Object.defineProperty(message, 'got', { get: refuse, enumerable: true });
    closeFlights(driver, message);
    expect(driver.io.closedHandles).to.deep.equal([handle.fd]);
  });

  it('has an end, and comes to what lies near the top first', () => {
    const [near, far] = [inFlight(), inFlight()];
    const crowd = Array.from({ length: FLIGHT_SEARCH_MAX }, (_, index) => ({ index }));
    closeFlights(driver, { crowd: [...crowd, far], near });
    expect(driver.io.closedHandles).to.deep.equal([near.fd]);
  });
});

describe('codec: sources in flight', () => {
  const memory = new Memory(new ArrayBuffer(4096));
  const handle: SourceHandle = {
    millrace: 'source',
    driver: 'native',
    kind: KIND,
    fd: 3,
    generation: 5,
  };

  for (const [place, make] of Object.entries(PLACES)) {
    it(`are noted in ${place}, each time`, () => {
      const encoder = new Encoder();
      for (let round = 0; round < 200; round++) {
        encoder.encode(memory, 0, { fd: 3, kind: KIND });
        expect(encoder.flights).to.deep.equal([]);
        encoder.encode(memory, 0, make({ ...handle, generation: 1 + round }));
        expect(encoder.flights).to.deep.equal([{ ...handle, generation: 1 + round }]);
        encoder.commit();
      }
      encoder.encode(memory, 0, 7);
      expect(encoder.flights).to.deep.equal([]);
    });
  }

  it('are forgotten with a frame that fails, and with a field that is dropped', () => {
    const encoder = new Encoder();
    for (let round = 0; round < 5; round++) {
      expect(encoder.encode(memory, 0, [handle, 'x'.repeat(99)], 60)).to.equal(OVERFLOW);
      expect(encoder.flights).to.deep.equal([]);
      thrownBy(() => encoder.encode(memory, 0, [handle, () => {}]));
      expect(encoder.flights).to.deep.equal([]);
      encoder.encode(memory, 0, Object.assign(new Error('e'), { bad: [handle, () => {}] }));
      expect(encoder.flights).to.deep.equal([]);
    }
  });

  it('are none where a handle is not one', () => {
    const encoder = new Encoder();
    for (const wrong of [{ fd: -1 }, { generation: 0 }, { kind: 'Sofa' }, { millrace: 'sender' }]) {
      encoder.encode(memory, 0, { ...handle, ...wrong });
      expect(encoder.flights).to.deep.equal([]);
    }
  });
});
