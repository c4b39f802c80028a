/**
 * The way for messages between threads: loops open an inlet here, and handles
 * become outlets. `src/index.ts` provides it to `src/loop/`.
 */
import { invalidType } from '../errors.js';
import {
  type Crossing,
  type Entrusts,
  type Inlet,
  type InletHost,
  type MessageTarget,
  type SenderHandle,
} from '../loop/crossing.js';
import { Sender } from '../loop/sender.js';
import { nativeDriver } from '../poll/native-driver.js';
import { GuestMail } from '../loop/guest.js';
import { registerCarrier } from './codec/carriers.js';
import { type ConnectionHandle, ConnectionSender } from './connection-sender.js';
import { CONTROL_BYTES } from './control.js';
import { SharedInlet } from './inlet.js';
import { Outlet } from './outlet.js';

/** Their numbers among what crosses threads as itself. */
const SENDER_CARRIER = 0;
const GUEST_MAIL_CARRIER = 3;
const CONNECTION_CARRIER = 4;

/** Threads are the machine's, whatever a loop stands on. */
const { threads } = nativeDriver;

/** The inboxes of this thread's own loops, and the outlets to others, by the loop's name. */
const inboxes = new Map<string, MessageTarget<never>>();
const outlets = new Map<string, Outlet<never>>();

export const sharedMemory: Crossing = {
  openInlet<M>(host: InletHost<M>): Inlet<M> {
    const inlet = new SharedInlet<M>(host, threads);
    forgetClosed();
    inboxes.set(inlet.handle.loop, host.inbox);
    return inlet;
  },

  connect<M>(handle: SenderHandle, entrusts?: Entrusts<M>['entrusts']): MessageTarget<M> {
    requireHandle(handle);
    const known = inboxes.get(handle.loop) ?? outlets.get(handle.loop);
    if (known !== undefined) return known;
    forgetClosed();
    const outlet = new Outlet<never>(handle, threads, entrusts);
    outlets.set(handle.loop, outlet);
    return outlet;
  },
};

/** What is closed stays closed; a handle of it makes an outlet that is closed. */
function forgetClosed(): void {
  for (const [loop, inbox] of inboxes) if (inbox.closed) inboxes.delete(loop);
  for (const [loop, outlet] of outlets) {
    if (!outlet.closed) continue;
    outlet.close();
    outlets.delete(loop);
  }
}

function requireHandle(handle: SenderHandle): void {
  const { millrace, loop, control } = (handle ?? {}) as Partial<SenderHandle>;
  const isHandle =
    millrace === 'sender' &&
    typeof loop === 'string' &&
    control instanceof SharedArrayBuffer &&
    control.byteLength === CONTROL_BYTES;
  if (!isHandle) throw invalidType('handle', 'what sender.transfer() returned', handle);
}

// A sender inside a message arrives as a sender.
registerCarrier<Sender>({
  id: SENDER_CARRIER,
  type: Sender,
  fields: ['transferHandle'],
  create: (handle) => new Sender(sharedMemory.connect(handle as SenderHandle)),
});

registerCarrier<ConnectionSender>({
  id: CONNECTION_CARRIER,
  type: ConnectionSender,
  fields: ['transferHandle'],
  create: (handle) => new ConnectionSender(handle as ConnectionHandle),
});

registerCarrier<GuestMail>({
  id: GUEST_MAIL_CARRIER,
  type: GuestMail,
  fields: ['guest', 'subject', 'bytes'],
  create: (guest, subject, bytes) =>
    new GuestMail(guest as number, subject as number, bytes as Uint8Array),
});
