/**
 * Discovery by multicast: nodes that know nothing but a group find each other.
 *
 * Each node announces to the group, at an interval, at which port it can be
 * reached and how many it knows. It leaves when all have said that they know
 * all, and a few announcements later, in case one of them is lost to somebody.
 * Nothing of it goes beyond the loopback interface.
 *
 *     node dist/examples/12-multicast-discovery.js
 */
import { EventLoop, Handler, type SocketAddress, UdpSocket } from 'millrace';

const GROUP = '239.255.77.12';
const INTERFACE = '127.0.0.1';
const NAMES = ['ada', 'grace', 'mary'];
const OTHERS = NAMES.length - 1;
const ANNOUNCE_MS = 50;
const FAREWELLS = 3;
/** Name, port, and how many others the node knows; anything else is not from a node. */
const ANNOUNCEMENT = /^(\w{1,32}) (\d{1,5}) (\d{1,3})$/;

type Alarm = 'announce';

class DiscoveringNode extends Handler<never, Alarm> {
  readonly #name: string;
  /** Hears the group; all nodes share its port. */
  readonly #ear: UdpSocket;
  /** Where the node itself can be reached. */
  readonly #own = UdpSocket.bind({ host: INTERFACE, port: 0 });
  /** How many others each of the others knows. */
  readonly #knownBy = new Map<string, number>();
  readonly #buffer = new Uint8Array(64);
  #farewells = FAREWELLS;

  constructor(name: string, port: number) {
    super();
    this.#name = name;
    // Bound to the group's address, it hears the group and nothing else that comes to the port.
    this.#ear = UdpSocket.bind({ host: GROUP, port }, { reuseAddress: true });
    this.#ear.joinMulticast(GROUP, INTERFACE);
    this.#own.setMulticastInterface(INTERFACE);
    this.#own.setMulticastTtl(0);
  }

  get group(): SocketAddress {
    return this.#ear.localAddress;
  }

  async run(): Promise<void> {
    using loop = new EventLoop<never, Alarm>();
    loop.register(this.#ear, loop.nextToken());
    loop.interval('announce', ANNOUNCE_MS);
    await loop.run(this);
    this.#ear.close();
    this.#own.close();
  }

  override timeout(loop: EventLoop<never, Alarm>): void {
    this.#announce();
    const complete = [...this.#knownBy.values()].filter((count) => count === OTHERS).length;
    if (complete === OTHERS && --this.#farewells === 0) loop.shutdown();
  }

  override readable(): void {
    const datagram = this.#ear.recvFrom(this.#buffer);
    if (datagram === null) return;
    const text = new TextDecoder().decode(this.#buffer.subarray(0, datagram.size));
    const [, name = '', port, known] = ANNOUNCEMENT.exec(text) ?? [];
    // The group hears itself: this node as well.
    if (!NAMES.includes(name) || name === this.#name) return;
    if (!this.#knownBy.has(name)) console.log(`${this.#name} found ${name} at port ${port}`);
    this.#knownBy.set(name, Number(known));
  }

  /** Where the system has no room for it, the next announcement says the same. */
  #announce(): void {
    const text = `${this.#name} ${this.#own.localAddress.port} ${this.#knownBy.size}`;
    this.#own.sendTo(new TextEncoder().encode(text), this.group);
  }
}

// The first takes a free port for the group, and the others join it there.
const [firstName = '', ...otherNames] = NAMES;
const first = new DiscoveringNode(firstName, 0);
const others = otherNames.map((name) => new DiscoveringNode(name, first.group.port));
await Promise.all([first, ...others].map((node) => node.run()));
console.log('All know all');
