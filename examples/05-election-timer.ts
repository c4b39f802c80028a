/**
 * An election timer that a stall cannot make stale.
 *
 * The follower waits 150 ms for a heartbeat. One is on its way when the thread
 * is busy for 400 ms: when it is back, the timer is long overdue and the
 * heartbeat still unread. The heartbeat is delivered first, and the timer that
 * it clears never fires. Only the silence after that leads to an election.
 */
import { EventLoop, Handler, type Timeout, UdpSocket } from 'millrace';

const ELECTION_MS = 150;
const STALL_MS = 400;

type Alarm = 'election' | 'stall';

class Follower extends Handler<never, Alarm> {
  readonly socket = UdpSocket.bind('127.0.0.1:0');
  readonly #buffer = new Uint8Array(64);
  #election: Timeout | null = null;

  waitForHeartbeat(loop: EventLoop<never, Alarm>): void {
    if (this.#election !== null) loop.clearTimeout(this.#election);
    this.#election = loop.timeout('election', ELECTION_MS);
  }

  override readable(loop: EventLoop<never, Alarm>): void {
    while (this.socket.recvFrom(this.#buffer) !== null) console.log('Heartbeat');
    this.waitForHeartbeat(loop);
  }

  override timeout(loop: EventLoop<never, Alarm>, alarm: Alarm): void {
    if (alarm === 'stall') {
      sender.sendTo(new Uint8Array(8), this.socket.localAddress);
      stall();
      return;
    }
    console.log(`Nothing heard for ${ELECTION_MS} ms: standing for election`);
    loop.shutdown();
  }
}

/** What a long computation, or a collection of garbage, does to a thread. */
function stall(): void {
  const endMs = performance.now() + STALL_MS;
  while (performance.now() < endMs);
  console.log(`The thread was busy for ${STALL_MS} ms`);
}

const loop = new EventLoop<never, Alarm>();
const sender = UdpSocket.bind('127.0.0.1:0');
const follower = new Follower();
loop.register(follower.socket, loop.nextToken());
follower.waitForHeartbeat(loop);
loop.timeout('stall', ELECTION_MS / 3);
await loop.run(follower);
follower.socket.close();
sender.close();
loop.close();
