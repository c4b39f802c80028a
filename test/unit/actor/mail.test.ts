/** Mail between the threads of a system: the envelope of the codec. */
import { expect } from 'chai';
import { Mail, MailKind, senderOf } from '../../../src/actor/mail.js';
import { registerEnvelope } from '../../../src/channel/codec/envelopes.js';
import { OVERFLOW } from '../../../src/channel/codec/encoder.js';
import { MillraceError } from '../../../src/index.js';
import { difference, Pair } from '../../support/codec.js';
import { random } from '../../support/random.js';
import { RandomValues } from '../../support/random-value.js';
import { thrownBy } from '../../support/thrown.js';

const FROM = senderOf(511, 70_000);

function mailOf(kind: MailKind, payload: unknown, [id, method]: [number, string | null]): Mail {
  return new Mail(kind, FROM, 65_535, 0xffff_ffff, id, method, payload);
}

function message(payload: unknown): Mail {
  return mailOf(MailKind.MESSAGE, payload, [0, null]);
}

function partsOf({ kind, from, slot, generation, id, method }: Mail): unknown[] {
  return [kind, from, slot, generation, id, method];
}

/** A value that refers to itself, so that its frame needs a table. */
function ring(): object {
  const value: { self?: unknown; list: unknown[] } = { list: [1] };
  value.self = value;
  value.list.push(value.list, value);
  return value;
}

describe('Mail', () => {
  it('arrives as it was, whatever is in it', () => {
    const contents = [0, -0, 1.5, 'a text', '', null, undefined, true, 5n, { type: 'x', index: 7 }];
    const more = [[1, [2]], new Uint8Array(64), new Map([[1, { two: 2 }]]), new Date(5), ring()];
    const pair = new Pair();
    // Often enough for shapes to be learnt and to get code of their own.
    for (let time = 0; time < 12; time++) {
      for (const payload of [...contents, ...more]) {
        for (const kind of Object.values(MailKind)) {
          const own: [number, string | null] =
            kind === MailKind.MESSAGE
              ? [0, null]
              : [2 ** 40 + time, time % 2 === 0 ? null : 'name'];
          const mail = mailOf(kind, payload, own);
          const arrived = pair.carry(mail) as Mail;
          expect(Mail.is(arrived)).to.equal(true);
          expect(partsOf(arrived)).to.deep.equal(partsOf(mail));
          expect(difference(payload, arrived.payload)).to.equal(null);
        }
      }
    }
  });

  it('random values arrive as without an envelope', function () {
    this.timeout(20_000);
    const numbers = random();
    const values = new RandomValues(numbers);
    const [bare, mailed] = [new Pair(), new Pair()];
    for (let count = 0; count < 800; count++) {
      const value = values.next();
      const expected = bare.carry(value);
      const { payload } = mailed.carry(message(value)) as Mail;
      expect(difference(expected, payload), `seed ${numbers.seed}`).to.equal(null);
    }
  });

  it('what does not fit, or cannot be cloned, leaves no trace', () => {
    const pair = new Pair();
    const value = { type: 'x', entry: { key: 'k' } };
    for (let time = 0; time < 3; time++) pair.carry(message(value));
    const size = pair.frame(message(value)).length;
    for (let limit = 0; limit < size; limit++) {
      expect(pair.encoder.encode(pair.memory, 0, message(value), limit)).to.equal(OVERFLOW);
    }
    const uncloneable = message({ type: 'y', other: () => {} });
    expect(thrownBy(() => pair.carry(uncloneable)).name).to.equal('DataCloneError');
    expect((pair.carry(message(value)) as Mail).payload).to.deep.equal(value);
  });

  it('C6: cut off at any byte, it is broken or what it was', () => {
    const frame = new Pair().frame(mailOf(MailKind.ASK, { deep: ring() }, [9, 'method']));
    for (let length = 0; length < frame.length; length++) {
      const pair = new Pair(length + 8);
      pair.memory.bytes.fill(0xff);
      pair.memory.bytes.set(frame.subarray(0, length));
      const error = thrownBy(() => pair.decoder.decode(pair.memory, 0));
      expect(error).to.be.instanceOf(MillraceError);
      expect(error.code).to.equal('ERR_CHANNEL_BROKEN');
    }
  });

  it('an envelope in an envelope is nothing that anybody writes', () => {
    const inner = new Pair().frame(message(1));
    const outer = new Pair().frame(message(1));
    const bytes = Uint8Array.from([...outer.subarray(0, -1), ...inner]);
    const pair = new Pair();
    pair.memory.bytes.set(bytes);
    expect(thrownBy(() => pair.decoder.decode(pair.memory, 0)).code).to.equal('ERR_CHANNEL_BROKEN');
  });

  it('is the only envelope that there is', () => {
    const other = {
      is: (object: object): object is Mail => Mail.is(object),
      contentOf: () => null,
      writeHeader: (_: unknown, __: Mail, at: number) => at,
      read: () => message(null),
    };
    expect(thrownBy(() => registerEnvelope(other)).code).to.equal('ERR_INVALID_ARG_VALUE');
  });
});
