/**
 * Bear: a socket and a timer in one handler.
 *
 * Datagrams feed the bear, and every quarter of a second it burns one unit.
 * When nothing is left, the game is over. Both the socket and the timer reach
 * the handler through the same loop, so neither needs to know of the other.
 */
import { EventLoop, Handler, UdpSocket } from 'millrace';

const BEAR_ADDRESS = '127.0.0.1:12345';
const FEEDER_ADDRESS = '127.0.0.1:12346';
const BURN_PERIOD_MS = 250;
const MEALS = 5;

/** What the timer carries; a handler with several timers tells them apart by it. */
type Burn = 'burn';

class Bear extends Handler<never, Burn> {
  readonly #socket: UdpSocket;
  readonly #datagram = new Uint8Array(1);
  #total = 0;

  constructor(socket: UdpSocket) {
    super();
    this.#socket = socket;
  }

  override readable(): void {
    while (this.#socket.recvFrom(this.#datagram) !== null) {
      const [meal = 0] = this.#datagram;
      this.#total += meal;
      console.log(`Increment by: ${meal}, Total: ${this.#total}`);
    }
  }

  override timeout(loop: EventLoop<never, Burn>): void {
    this.#total -= 1;
    console.log('Timeout');
    console.log(`Decremented, Total: ${this.#total}`);
    if (this.#total <= 0) loop.shutdown();
  }
}

const loop = new EventLoop<never, Burn>();
using socket = UdpSocket.bind(BEAR_ADDRESS);
using feeder = UdpSocket.bind(FEEDER_ADDRESS);

loop.register(socket, loop.nextToken());
loop.interval('burn', BURN_PERIOD_MS);
for (let meal = 0; meal < MEALS; meal++) feeder.sendTo(Uint8Array.of(meal), BEAR_ADDRESS);

await loop.run(new Bear(socket));
loop.close();
