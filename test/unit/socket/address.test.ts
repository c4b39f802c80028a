/** Addresses against Node's own reader and writer of them, and everything that is none. */
import { SocketAddress as NodeAddress } from 'node:net';
import { expect } from 'chai';
import { type AddressLike, readAddress, writeAddress } from '../../../src/socket/address.js';
import { random } from '../../support/random.js';
import { thrownBy } from '../../support/thrown.js';

const WORDS = 8;

function roundTrip(value: AddressLike): { words: Uint32Array; shown: string } {
  const words = new Uint32Array(WORDS).fill(0xaaaaaaaa);
  writeAddress(words, value);
  const { address, family, port } = readAddress(words);
  return { words, shown: `${family} ${address} ${port}` };
}

/** What Node makes of it. */
function byNode(address: string, port: number): string {
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  const read = new NodeAddress({ address, family, port });
  return `${family === 'ipv6' ? 'IPv6' : 'IPv4'} ${read.address} ${read.port}`;
}

describe('addresses', () => {
  const texts: [string, string][] = [
    ['127.0.0.1:8080', 'IPv4 127.0.0.1 8080'],
    ['0.0.0.0:0', 'IPv4 0.0.0.0 0'],
    ['255.255.255.255:65535', 'IPv4 255.255.255.255 65535'],
    [':0', 'IPv4 0.0.0.0 0'],
    [':80', 'IPv4 0.0.0.0 80'],
    ['[::1]:8080', 'IPv6 ::1 8080'],
    ['[::]:0', 'IPv6 :: 0'],
    ['[fe80::1%3]:1', 'IPv6 fe80::1%3 1'],
    ['[::ffff:10.0.0.1]:1', 'IPv6 ::ffff:10.0.0.1 1'],
    ['[64:ff9b::192.0.2.33]:1', 'IPv6 64:ff9b::c000:221 1'],
    ['[2001:DB8:0:0:1:0:0:1]:1', 'IPv6 2001:db8::1:0:0:1 1'],
    ['[2001:db8:0:1:1:1:1:1]:1', 'IPv6 2001:db8:0:1:1:1:1:1 1'],
    ['[1::]:1', 'IPv6 1:: 1'],
    ['[1:2:3:4:5:6:7::]:1', 'IPv6 1:2:3:4:5:6:7:0 1'],
    ['[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1', `IPv6 ${'ffff:'.repeat(7)}ffff 1`],
  ];
  for (const [text, shown] of texts) {
    it(`reads ${text} and writes ${shown}`, () => {
      expect(roundTrip(text).shown).to.equal(shown);
      // A second time from the table of those that were parsed.
      expect(roundTrip(text).shown).to.equal(shown);
    });
  }

  it('takes { host, port }, and what it gave back itself', () => {
    expect(roundTrip({ host: '10.1.2.3', port: 4 }).shown).to.equal('IPv4 10.1.2.3 4');
    expect(roundTrip({ host: '::1', port: 4 }).shown).to.equal('IPv6 ::1 4');
    expect(roundTrip({ address: '::1', family: 'IPv6', port: 4 }).shown).to.equal('IPv6 ::1 4');
    const { words } = roundTrip('[fe80::7%2]:9');
    const again = roundTrip(readAddress(words));
    expect([...again.words]).to.deep.equal([...words]);
  });

  it('puts the parts into the words that the driver reads', () => {
    const four = [...roundTrip('1.2.3.4:5').words];
    expect(four).to.deep.equal([4, 5, 0x01020304, 0, 0, 0, 0, 0]);
    const six = [...roundTrip('[1:2:3:4:5:6:7:8%9]:10').words];
    expect(six).to.deep.equal([6, 10, 0x10002, 0x30004, 0x50006, 0x70008, 9, 0]);
  });

  it('agrees with Node on 5,000 random addresses of each family', () => {
    const numbers = random();
    const below = (limit: number) => Math.floor(numbers.next() * limit);
    for (let round = 0; round < 5000; round++) {
      const port = below(65536);
      const four = Array.from({ length: 4 }, () => below(256)).join('.');
      expect(roundTrip(`${four}:${port}`).shown, `seed ${numbers.seed}`).to.equal(
        byNode(four, port),
      );
      // Many zeros, so that there are runs; never a first group of 0, where
      // Node writes some addresses with an IPv4 part that are none.
      const zeros = () => (numbers.next() < 0.5 ? 0 : below(65536));
      const groups = [1 + below(65535), ...Array.from({ length: 7 }, zeros)];
      const six = groups.map((group) => group.toString(16)).join(':');
      const { shown } = roundTrip(`[${six}]:${port}`);
      expect(shown, `seed ${numbers.seed}`).to.equal(byNode(six, port));
      const short = new NodeAddress({ address: six, family: 'ipv6', port }).address;
      expect(roundTrip({ host: short, port }).shown).to.equal(shown);
    }
  });

  it('gives the same frozen object for the same address, and another for another', () => {
    const words = new Uint32Array(WORDS);
    writeAddress(words, '127.0.0.1:5000');
    const first = readAddress(words);
    expect(readAddress(words)).to.equal(first);
    expect(Object.isFrozen(first)).to.equal(true);
    // More than are remembered: hits and misses must not be mixed up.
    for (let round = 0; round < 3; round++) {
      for (let port = 1; port < 2000; port++) {
        writeAddress(words, `127.0.0.${port % 250}:${port}`);
        expect(readAddress(words)).to.include({ address: `127.0.0.${port % 250}`, port });
      }
    }
  });

  const noAddresses = [
    '',
    '127.0.0.1',
    'localhost:80',
    '127.0.0.1:',
    '127.0.0.1:-1',
    '127.0.0.1:1.5',
    '127.0.0.1:8o',
    '127.0.0.1:123456',
    '::1',
    '::1:80',
    '[::1]',
    '[::1]:',
    '[::1:80',
    '::1]:80',
    '[127.0.0.1]:80',
    '[]:80',
    '[:::]:80',
    '[1::2::3]:80',
    '[fe80::1%eth0]:80',
    '[fe80::1%]:80',
    '[fe80::1%-1]:80',
    '[fe80::1%4294967296]:80',
    '256.0.0.1:80',
    '1.2.3:80',
    '1.2.3.4.5:80',
    '01.2.3.4:80',
    ' 127.0.0.1:80',
    '127.0.0.1:80 ',
    '127.0.0.1 :80',
    '[::1]:80\n',
    '1.2.3.4:8 0',
    '[g::1]:80',
    '0x7f.0.0.1:80',
    '[::1]]:80',
    '/tmp/socket',
    'http://127.0.0.1:80',
  ];
  for (const text of noAddresses) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      const error = thrownBy(() => roundTrip(text));
      expect(error).to.be.instanceOf(TypeError);
      expect(error.code).to.equal('ERR_INVALID_ADDRESS');
      expect(error.message).to.include('127.0.0.1:8080');
    });
  }

  it('refuses ports outside 0 to 65535', () => {
    for (const value of ['1.2.3.4:65536', '[::1]:99999']) {
      expect(thrownBy(() => roundTrip(value))).to.be.instanceOf(RangeError);
    }
    for (const port of [-1, 65536, 1.5, NaN, Infinity]) {
      const error = thrownBy(() => roundTrip({ host: '1.2.3.4', port }));
      expect(error).to.be.instanceOf(RangeError);
      expect(error.code).to.equal('ERR_OUT_OF_RANGE');
    }
  });

  it('refuses what is no string and no object with host and port', () => {
    const values = [undefined, null, 80, true, [], {}, { host: 1, port: 1 }, { port: 1 }, () => 1];
    for (const value of [...values, { host: '::1' }, { host: '::1', port: '1' }, Symbol('s'), 1n]) {
      const error = thrownBy(() => roundTrip(value as never));
      expect(error, typeof value).to.be.instanceOf(TypeError);
      expect(error.code).to.equal('ERR_INVALID_ARG_TYPE');
    }
    expect(thrownBy(() => roundTrip({ host: 'localhost', port: 1 })).code).to.equal(
      'ERR_INVALID_ADDRESS',
    );
  });
});
