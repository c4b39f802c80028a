/**
 * Socket addresses: what users write, what they get back, and the eight words
 * in which they travel to and from the driver.
 *
 *   word 0     family: 4 or 6
 *   word 1     port
 *   word 2..5  the address as big-endian numbers; IPv4 uses word 2 alone
 *   word 6     scope id (IPv6 link-local), else 0
 *   word 7     flow label, always 0 here
 */
import { isIPv4, isIPv6 } from 'node:net';
import { invalidType, outOfRange, shown, typeErrorWith } from '../errors.js';
import type { AddressWords } from '../poll/driver.js';

/** `'127.0.0.1:8080'`, `'[::1]:8080'`, `':0'`, or host and port. IP addresses, no names. */
export type AddressLike = string | { host: string; port: number } | SocketAddress;

/** What sockets answer, in the shape of Node's own. */
export interface SocketAddress {
  /** An IP address; a link-local one of IPv6 with its scope, as in `fe80::1%2`. */
  readonly address: string;
  readonly family: 'IPv4' | 'IPv6';
  /** 0 to 65535. */
  readonly port: number;
}

const PORT_MAX = 65535;
const WORD_COUNT = 8;

/** Without a host: every IPv4 address to bind to, this machine to connect to. */
const ANY_HOST = '0.0.0.0';

/**
 * The parsed form of addresses that are used again and again: programs send
 * to few peers many times. Cleared when full, which costs one parse a peer.
 */
const PARSED_MAX = 1024;
const parsedStrings = new Map<string, Uint32Array>();
const parsedObjects = new WeakMap<object, Uint32Array>();

/** Addresses that were read lately, found by a hash of their words. */
const RECENT_SIZE = 256;
const recent: ({ words: Uint32Array; address: SocketAddress } | undefined)[] = [];

/** The one that was read last: an answer goes there, and finds its words at once. */
let latest: { words: Uint32Array; address: SocketAddress } | undefined;

/**
 * Writes a user's address into the words of the driver.
 *
 * @throws TypeError ERR_INVALID_ADDRESS, ERR_INVALID_ARG_TYPE; RangeError
 * ERR_OUT_OF_RANGE for the port
 */
export function writeAddress(words: AddressWords, value: AddressLike): void {
  if (latest !== undefined && value === latest.address) copyWords(words, latest.words);
  else copyWords(words, typeof value === 'string' ? parseString(value) : parseObject(value));
}

/**
 * The address in the words of the driver. Frozen, and the same object again
 * while it is in recent use.
 */
export function readAddress(words: AddressWords): SocketAddress {
  if (latest !== undefined && sameWords(latest.words, words)) return latest.address;
  const index = hash(words) % RECENT_SIZE;
  const hit = recent[index];
  if (hit !== undefined && sameWords(hit.words, words)) {
    latest = hit;
    return hit.address;
  }
  const copy = words.slice();
  const address = Object.freeze(format(copy));
  latest = { words: copy, address };
  recent[index] = latest;
  parsedObjects.set(address, copy);
  return address;
}

function parseString(text: string): Uint32Array {
  const known = parsedStrings.get(text);
  if (known !== undefined) return known;
  const match = /^(?:\[(?<bracketed>[^\]]*)\]|(?<plain>[^:]*)):(?<port>\d{1,5})$/.exec(text);
  if (match?.groups === undefined) throw invalidAddress(text);
  const { bracketed, plain, port } = match.groups;
  if (bracketed !== undefined && !isIPv6(bracketed)) throw invalidAddress(text);
  const words = pack(bracketed ?? (plain || ANY_HOST), Number(port), text);
  if (parsedStrings.size >= PARSED_MAX) parsedStrings.clear();
  parsedStrings.set(text, words);
  return words;
}

function parseObject(value: unknown): Uint32Array {
  if (typeof value !== 'object' || value === null) {
    throw invalidType('address', "a string such as '127.0.0.1:8080' or { host, port }", value);
  }
  const known = parsedObjects.get(value);
  if (known !== undefined) return known;
  const { host, address, port } = value as { host?: unknown; address?: unknown; port?: unknown };
  const name = host ?? address;
  if (typeof name !== 'string') throw invalidType('address.host', 'a string', name);
  if (typeof port !== 'number') throw invalidType('address.port', 'a number', port);
  return pack(name, port, value);
}

function pack(host: string, port: number, original: unknown): Uint32Array {
  if (!Number.isInteger(port) || port < 0 || port > PORT_MAX) {
    throw outOfRange('address.port', `a whole number from 0 to ${PORT_MAX}`, port);
  }
  const words = new Uint32Array(WORD_COUNT);
  words[1] = port;
  if (isIPv4(host)) {
    words[0] = 4;
    words[2] = packIPv4(host);
  } else if (isIPv6(host)) {
    words[0] = 6;
    packIPv6(host, words);
  } else {
    throw invalidAddress(original);
  }
  return words;
}

function packIPv4(host: string): number {
  return host.split('.').reduce((word, part) => ((word << 8) | Number(part)) >>> 0, 0);
}

/** `host` has been found valid, zone and embedded IPv4 included. */
function packIPv6(host: string, words: Uint32Array): void {
  const [bare = '', zone = ''] = host.split('%');
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(bare);
  const text = embedded === null ? bare : `${embedded[1]}${hexPair(packIPv4(embedded[2]))}`;
  const [head = '', tail] = text.split('::');
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const filled = [...front, ...new Array(8 - front.length - back.length).fill(0), ...back];
  for (let word = 0; word < 4; word++) {
    words[2 + word] = ((filled[word * 2] << 16) | filled[word * 2 + 1]) >>> 0;
  }
  words[6] = zone === '' ? 0 : scopeOf(zone, host);
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function hexPair(word: number): string {
  return `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`;
}

/** Zones by number only: names of interfaces belong to one machine's configuration. */
function scopeOf(zone: string, host: string): number {
  const scope = Number(zone);
  if (!Number.isInteger(scope) || scope < 0 || scope > 0xffffffff) throw invalidAddress(host);
  return scope;
}

function format(words: Uint32Array): SocketAddress {
  const port = words[1];
  if (words[0] === 4) return { address: formatIPv4(words[2]), family: 'IPv4', port };
  return { address: formatIPv6(words), family: 'IPv6', port };
}

function formatIPv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 0xff}.${(word >>> 8) & 0xff}.${word & 0xff}`;
}

/** The canonical text of RFC 5952: lower case, the first longest run of zeros as `::`. */
function formatIPv6(words: Uint32Array): string {
  const scope = words[6] === 0 ? '' : `%${words[6]}`;
  const mapped = words[2] === 0 && words[3] === 0 && words[4] === 0xffff;
  if (mapped) return `::ffff:${formatIPv4(words[5])}${scope}`;
  const parts: number[] = [];
  for (let word = 2; word < 6; word++) parts.push(words[word] >>> 16, words[word] & 0xffff);
  const run = longestZeroRun(parts);
  const hex = parts.map((part) => part.toString(16));
  if (run.length < 2) return hex.join(':') + scope;
  const front = hex.slice(0, run.start).join(':');
  const back = hex.slice(run.start + run.length).join(':');
  return `${front}::${back}${scope}`;
}

function longestZeroRun(parts: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < parts.length; start++) {
    let length = 0;
    while (parts[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

/** Spreads ports and the low bits of addresses, which are what differs. */
function hash(words: AddressWords): number {
  const mixed = words[1] ^ words[2] ^ words[3] ^ words[4] ^ words[5] ^ words[6];
  return Math.imul(mixed, 0x9e3779b1) >>> 8;
}

function sameWords(left: Uint32Array, right: Uint32Array): boolean {
  for (let index = 0; index < 7; index++) {
    if (left[index] !== right[index]) return false;
  }
  return true;
}

/** For so few words a loop is quicker than `set()`. */
function copyWords(target: Uint32Array, source: Uint32Array): void {
  for (let index = 0; index < WORD_COUNT; index++) target[index] = source[index];
}

function invalidAddress(value: unknown): TypeError {
  return typeErrorWith(
    'ERR_INVALID_ADDRESS',
    `cannot read the address ${shown(value)}; write '127.0.0.1:8080', '[::1]:8080', ':0' or ` +
      '{ host, port } with an IP address (resolve names first, with node:dns)',
  );
}
