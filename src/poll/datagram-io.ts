/**
 * The part of the Driver contract that serves datagrams: batches, and the
 * options of UDP sockets. As in `driver.ts`, results are values or `-errno`,
 * and a handle is what the driver calls an open socket.
 *
 * A batch lies in memory that the socket layer allocates and both sides see:
 *
 *   payloads    capacity x maxSizeBytes; datagram i at i x maxSizeBytes
 *   headers     word 0            datagrams sent by the last sendMany()
 *               word 1 + 2i       size of datagram i
 *               word 2 + 2i       its flags: DatagramFlag
 *   addresses   eight words each, as `socket/address.ts` draws them
 *
 * The driver may keep addresses in a form of its own: those it received are in
 * the words only after {@link DatagramIo.readBatchAddress}; family 0 is none.
 */

export const BATCH_HEADER_WORDS = 1;
export const BATCH_DATAGRAM_WORDS = 2;

export const DatagramFlag = {
  /** Set by the driver: bytes were cut off. */
  TRUNCATED: 1,
  /** The words hold an address that the driver has not taken over yet; it clears the flag. */
  NEW_ADDRESS: 2,
  /** The words hold the address. */
  ADDRESS_WORDS: 4,
} as const;

/** Numbers of the options in {@link DatagramIo.udpSetOption}. */
export const UdpOption = {
  /** 0 or 1. */
  BROADCAST: 0,
  /** 1 to 255. */
  TTL: 1,
  /** 0 or 1. */
  MULTICAST_LOOP: 2,
  /** 0 to 255. */
  MULTICAST_TTL: 3,
} as const;
export type UdpOption = (typeof UdpOption)[keyof typeof UdpOption];

/** What a driver keeps for a batch; freed when nobody refers to it any more. */
export type DriverBatch = object;

export interface DatagramIo {
  /** The driver may keep `headers` and `addresses`, which nobody else is given. */
  openBatch(
    capacity: number,
    maxSizeBytes: number,
    headers: Uint32Array,
    addresses: Uint32Array,
  ): DriverBatch;
  /**
   * How many datagrams came, from slot 0 on, sizes and flags set; or
   * `-EAGAIN`. Fewer than the capacity: no more waited. `-EFAULT`: `payloads`
   * is not whole any more.
   */
  recvMany(handle: number, batch: DriverBatch, payloads: Uint8Array): number;
  /**
   * Sends the datagrams from `start` up to and without `end`. How many went;
   * fewer: there is no room. An error is that of the first that did not go,
   * and word 0 of the headers counts those before it.
   */
  sendMany(
    handle: number,
    batch: DriverBatch,
    payloads: Uint8Array,
    start: number,
    end: number,
  ): number;
  /** Fills the words of a datagram that was received. */
  readBatchAddress(batch: DriverBatch, index: number): void;

  udpSetOption(handle: number, option: UdpOption, value: number): number;
  /**
   * Joins or leaves the group in the driver's `address`. `iface`: 0, an IPv4
   * address as a number for an IPv4 group, an interface index for IPv6.
   */
  udpMembership(handle: number, join: boolean, iface: number): number;
  /** `family` 4 or 6; `iface` as in {@link udpMembership}. */
  udpMulticastInterface(handle: number, family: number, iface: number): number;
  /** The index of the interface of this name. */
  interfaceIndex(name: string): number;
}
