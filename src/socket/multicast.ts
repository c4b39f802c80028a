/**
 * What users write to name an interface, as the system wants to hear it: IPv4
 * knows an interface by one of its addresses, IPv6 by its index.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { invalidType, shown, systemError, typeErrorWith } from '../errors.js';
import type { AddressWords } from '../poll/driver.js';
import type { DatagramIo } from '../poll/datagram-io.js';
import { requireInteger } from '../validate.js';
import { writeAddress } from './address.js';

/**
 * An interface: for IPv4 one of its addresses (`'192.168.1.5'`); for IPv6 its
 * index (`2`), or its index or name as text (`'2'`, `'eth0'`), with or without
 * the `%` that precedes a zone (`'%eth0'`, `'::%eth0'`).
 */
export type MulticastInterface = string | number;

type AddressIo = DatagramIo & { readonly address: AddressWords };

const INDEX_MAX = 2 ** 31 - 1;

/** Puts the group into the words of the driver; returns the interface to go with it. */
export function writeMembership(
  io: AddressIo,
  group: string,
  iface: MulticastInterface | undefined,
): number {
  if (typeof group !== 'string') throw invalidType('group', 'an IP address as a string', group);
  const [bare = '', zone] = group.split('%', 2);
  if (isIPv4(group)) {
    const address = iface === undefined ? 0 : ipv4Interface(io, iface);
    writeAddress(io.address, { host: group, port: 0 });
    return address;
  }
  if (!isIPv6(group)) throw invalidGroup(group);
  const index = ipv6Interface(io, iface ?? zone ?? 0);
  writeAddress(io.address, { host: bare, port: 0 });
  return index;
}

/** The interface that datagrams to groups leave by, and the family it is named for. */
export function interfaceOf(
  io: AddressIo,
  iface: MulticastInterface,
): { family: 4 | 6; iface: number } {
  if (typeof iface === 'string' && isIPv4(iface)) {
    return { family: 4, iface: ipv4Interface(io, iface) };
  }
  return { family: 6, iface: ipv6Interface(io, iface) };
}

function ipv4Interface(io: AddressIo, iface: unknown): number {
  if (typeof iface !== 'string') {
    throw invalidType('iface', 'an IPv4 address of the interface, as the group is IPv4', iface);
  }
  if (!isIPv4(iface)) throw invalidInterface(iface, 'one of its IPv4 addresses');
  writeAddress(io.address, { host: iface, port: 0 });
  return io.address[2];
}

function ipv6Interface(io: AddressIo, iface: unknown): number {
  const range = { min: 0, max: INDEX_MAX };
  if (typeof iface === 'number') return requireInteger('iface', iface, range);
  if (typeof iface !== 'string') {
    throw invalidType('iface', "an interface index or name, such as 2 or '%eth0'", iface);
  }
  const name = iface.slice(iface.indexOf('%') + 1);
  if (name === '' || name.includes('\0')) throw invalidInterface(iface, "an index or '%name'");
  if (/^\d+$/.test(name)) return requireInteger('iface', Number(name), range);
  const index = io.interfaceIndex(name);
  if (index < 0) throw systemError(index, 'if_nametoindex', { address: name });
  return index;
}

function invalidGroup(group: string): TypeError {
  return typeErrorWith(
    'ERR_INVALID_ADDRESS',
    `cannot read the group ${shown(group)}; write an IP address, such as '239.1.2.3' or 'ff02::1'`,
  );
}

function invalidInterface(iface: string, expected: string): TypeError {
  return typeErrorWith(
    'ERR_INVALID_ADDRESS',
    `cannot read the interface ${shown(iface)}; name it by ${expected}`,
  );
}
