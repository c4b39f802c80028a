/** The checks of arguments, both sides of each limit. */
import { expect } from 'chai';
import {
  requireBoolean,
  requireBytes,
  requireDuration,
  requireInteger,
  requireObject,
  requireOptions,
  requirePeriod,
} from '../../src/validate.js';
import { type Thrown, thrownBy } from '../support/thrown.js';

const NO_NUMBERS = [undefined, null, '1', true, {}, [], () => 1, Symbol('s'), 1n];

function expectRange(error: Thrown): void {
  expect(error).to.be.instanceOf(RangeError);
  expect(error.code).to.equal('ERR_OUT_OF_RANGE');
}

function expectType(error: Thrown): void {
  expect(error).to.be.instanceOf(TypeError);
  expect(error.code).to.equal('ERR_INVALID_ARG_TYPE');
}

describe('checks of arguments', () => {
  it('requireInteger() takes whole numbers within the range, limits included', () => {
    const check = (value: unknown) => requireInteger('n', value, { min: -2, max: 3 });
    for (const value of [-2, -0, 0, 3]) expect(check(value)).to.equal(value);
    for (const value of [-3, 4, 0.5, NaN, Infinity, -Infinity])
      expectRange(thrownBy(() => check(value)));
    for (const value of NO_NUMBERS) expectType(thrownBy(() => check(value)));
    expect(requireInteger('n', Number.MAX_SAFE_INTEGER, { min: 0 })).to.equal(2 ** 53 - 1);
    expectRange(thrownBy(() => requireInteger('n', 2 ** 53, { min: 0 })));
  });

  it('requireDuration() takes finite numbers from 0 on, requirePeriod() above 0', () => {
    for (const value of [0, 0.001, 1e300]) expect(requireDuration('ms', value)).to.equal(value);
    for (const value of [5e-324, 1e300]) expect(requirePeriod('ms', value)).to.equal(value);
    expectRange(thrownBy(() => requirePeriod('ms', 0)));
    for (const value of [-1, -5e-324, NaN, Infinity, -Infinity]) {
      expectRange(thrownBy(() => requireDuration('ms', value)));
      expectRange(thrownBy(() => requirePeriod('ms', value)));
    }
    for (const value of NO_NUMBERS) {
      expectType(thrownBy(() => requireDuration('ms', value)));
      expectType(thrownBy(() => requirePeriod('ms', value)));
    }
  });

  it('requireBoolean(), requireObject() and requireBytes() take just that', () => {
    expect(requireBoolean('b', false)).to.equal(false);
    for (const value of [undefined, null, 0, 'true', {}]) {
      expectType(thrownBy(() => requireBoolean('b', value)));
    }
    const object = Object.create(null) as object;
    expect(requireObject('o', object)).to.equal(object);
    for (const value of [undefined, null, 0, 'text', () => 1, Symbol('s')]) {
      expectType(thrownBy(() => requireObject('o', value)));
    }
    const buffer = Buffer.alloc(1);
    expect(requireBytes('b', buffer)).to.equal(buffer);
    for (const value of [[1], new ArrayBuffer(1), new Uint16Array(1), 'a', null, { length: 1 }]) {
      expectType(thrownBy(() => requireBytes('b', value)));
    }
  });

  it('requireOptions() names the option that was probably meant', () => {
    const check = (value: unknown) =>
      requireOptions('config', value as object, ['notifyCapacity', 'poller']);
    expect(check(undefined)).to.deep.equal({});
    expect(check({ poller: 1 })).to.deep.equal({ poller: 1 });
    for (const value of [null, 1, 'text', true]) expectType(thrownBy(() => check(value)));
    for (const key of ['notifycapacity', 'NotifyCapacity', 'notifyCapcity', 'notify_capacity']) {
      const error = thrownBy(() => check({ [key]: 1 }));
      expect(error.code).to.equal('ERR_UNKNOWN_OPTION');
      expect(error.message).to.include(`"${key}"`).and.to.include('use notifyCapacity');
    }
    const error = thrownBy(() => check({ somethingElse: 1 }));
    expect(error.message).to.include('notifyCapacity, poller');
  });

  it('a message says what was received, in one line', () => {
    const long = 'x'.repeat(10_000);
    const wide = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [index, long]));
    const deep = { long, deep: { deeper: [long] } };
    for (const value of [long, deep, wide, Array(1000).fill(long), Symbol('s'), new Error(long)]) {
      const { message } = thrownBy(() => requireInteger('someName', value, { min: 0 }));
      expect(message).to.match(/^someName must be a number; received /);
      expect(message).not.to.include('\n');
      expect(message.length).to.be.below(300);
    }
  });
});
