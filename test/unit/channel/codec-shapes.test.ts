/** What an encoder and its decoder remember, and when they must forget it. */
import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { OVERFLOW } from '../../../src/channel/codec/encoder.js';
import { difference, Pair } from '../../support/codec.js';
import { leavesNothingBehind } from '../../support/leaks.js';
import { thrownBy } from '../../support/thrown.js';

leavesNothingBehind();

const MESSAGE = { type: 'appendEntries', term: 3, index: 42 };

describe('codec: shapes and texts', () => {
  let pair: Pair;

  beforeEach(() => {
    pair = new Pair();
  });

  it('keys and repeated texts are sent once', () => {
    const sizes = [1, 2, 3, 4].map(() => pair.frame(MESSAGE).length);
    expect(sizes[3]).to.equal(6);
    expect(sizes[0]).to.be.above(20);
  });

  it('texts of 2 to 32 characters are remembered', () => {
    for (const [length, size] of [
      [1, 4],
      [2, 4],
      [32, 4],
      [33, 37],
    ]) {
      const frames = [1, 2, 3, 4].map(() => pair.frame({ kind: 'x'.repeat(length) }));
      expect(frames[3], `${length} characters`).to.have.length(size);
    }
  });

  it('a frame that is taken back takes its definitions with it', () => {
    for (let time = 0; time < 50; time++) {
      for (let again = 0; again < 4; again++) {
        pair.encoder.encode(pair.memory, 0, { ...MESSAGE, [`key${time}`]: `text${time}` });
        pair.encoder.rollback();
      }
      const value = [{ ...MESSAGE, [`key${time}`]: `text${time}` }, { a: 1 }, { a: 2 }];
      expect(pair.carry(value)).to.deep.equal(value);
    }
  });

  it('a field does not rely on a text that was taken back', () => {
    // Often enough that the shape has code of its own.
    for (let time = 0; time < 40; time++) pair.carry({ type: 'known' });
    const burst = Array.from({ length: 4 }, () => ({ type: 'new' }));
    pair.encoder.encode(pair.memory, 0, burst);
    pair.encoder.rollback();
    expect(pair.carry({ type: 'new' })).to.deep.equal({ type: 'new' });
  });

  it('so does one that did not fit, and one that could not be cloned', () => {
    for (let time = 0; time < 50; time++) {
      const value = [{ ...MESSAGE, [`key${time}`]: `text${time}` }, 'x'.repeat(100)];
      for (let again = 0; again < 4; again++) {
        expect(pair.encoder.encode(pair.memory, 0, value, 100)).to.equal(OVERFLOW);
        thrownBy(() => pair.encoder.encode(pair.memory, 0, [...value, () => 1]));
      }
      expect(pair.carry(value)).to.deep.equal(value);
      expect(pair.carry(value)).to.deep.equal(value);
    }
  });

  it('a frame that is neither committed nor taken back counts as lost', () => {
    for (let time = 0; time < 20; time++) {
      const value = { ...MESSAGE, [`key${time}`]: `text${time}` };
      for (let again = 0; again < 3; again++) pair.encoder.encode(pair.memory, 0, value);
      expect(pair.carry(value)).to.deep.equal(value);
    }
  });

  it('more shapes and texts than are remembered', () => {
    for (let round = 0; round < 3; round++) {
      for (let number = 0; number < 1100; number++) {
        const value = { [`key${number}`]: number, type: `text${number}` };
        for (let time = 0; time < 2; time++) expect(pair.carry(value)).to.deep.equal(value);
      }
      expect(pair.carry(MESSAGE)).to.deep.equal(MESSAGE);
    }
  });

  it('dictionaries with ever new keys take neither numbers nor memory', () => {
    for (let number = 0; number < 5000; number++)
      pair.frame({ [`user-${number}`]: `name-${number}` });
    const sizes = [1, 2, 3, 4].map(() => pair.frame(MESSAGE).length);
    expect(sizes[3]).to.equal(6);
  });

  it('an object that differs from the one before only in its keys', () => {
    const values = [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
      { a: 1 },
      { a: 1, b: 2, c: 3 },
      {},
      { a: undefined, b: undefined },
    ];
    for (let time = 0; time < 200; time++) {
      for (const value of values) expect(difference(value, pair.carry(value))).to.equal(null);
    }
  });

  it('fields whose text, or kind, changes from message to message', () => {
    const kinds = ['one', 'two', '', 'x'.repeat(40), 5, null, undefined, 'one', { type: 'two' }];
    for (let time = 0; time < 1000; time++) {
      const value = { type: kinds[(time * 7) % kinds.length], id: `id-${time}`, zero: -0 };
      expect(difference(value, pair.carry(value))).to.equal(null);
    }
  });

  it('the same where code from strings is disallowed', () => {
    const mocha = 'node_modules/mocha/bin/mocha.js';
    const files = ['random', 'malformed'].map(
      (name) => `dist/test/unit/channel/codec-${name}.test.js`,
    );
    const flags = ['--disallow-code-generation-from-strings', mocha, '--reporter', 'dot', ...files];
    const { status, stdout, stderr } = spawnSync(process.execPath, flags, { encoding: 'utf8' });
    expect([status, stderr], stdout).to.deep.equal([0, '']);
    expect(stdout).to.match(/\d+ passing/);
  }).timeout(120_000);
});
