/**
 * An election timer that a stall cannot make stale.
 *
 * The follower waits 150 ms for the next heartbeat. One is on its way when the
 * thread is busy for 400 ms: when it is back, the timer is long overdue and the
 * heartbeat still unread. The heartbeat is delivered first, and the timer that
 * it clears never fires. Only the silence after that leads to an election.
 */
import { EventLoop, Handler, type Timeout, UdpSocket } from 'millrace';

const ELECTION_MS = 150;
const STALL_MS = 400;

type Alarm = 'election' | 'stall';

const socket = UdpSocket.bind('127.0.0.1:0');
const leader = UdpSocket.bind('127.0.0.1:0');
const buffer = new Uint8Array(64);

class Follower extends Handler<never, Alarm> {
  #election: Timeout | null = null;

  override readable(loop: EventLoop<never, Alarm>): void {
    while (socket.recvFrom(buffer) !== null) console.log('Heartbeat');
    if (this.#election !== null) loop.clearTimeout(this.#election);
    this.#election = loop.timeout('election', ELECTION_MS);
  }

  override timeout(loop: EventLoop<never, Alarm>, alarm: Alarm): void {
    if (alarm === 'stall') {
      sendHeartbeat();
      stall();
    } else {
      console.log(`Nothing heard for ${ELECTION_MS} ms: standing for election`);
      loop.shutdown();
    }
  }
}

function sendHeartbeat(): void {
  leader.sendTo(new Uint8Array(8), socket.localAddress);
}

/** What a long computation, or a collection of garbage, does to a thread. */
function stall(): void {
  const endMs = performance.now() + STALL_MS;
  while (performance.now() < endMs);
  console.log(`The thread was busy for ${STALL_MS} ms`);
}

const loop = new EventLoop<never, Alarm>();
loop.register(socket, loop.nextToken());
loop.timeout('stall', ELECTION_MS / 3);
sendHeartbeat();
await loop.run(new Follower());
socket.close();
leader.close();
loop.close();
