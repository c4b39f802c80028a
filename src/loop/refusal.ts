/** What becomes of messages that a channel does not take, on whichever thread (rule C3). */
import { channel as diagnosticsChannel } from 'node:diagnostics_channel';
import { MillraceError } from '../errors.js';

/** Published on `millrace:refused` for each message that a channel refuses (rule C3). */
export interface RefusedMessage {
  reason: 'full' | 'closed';
  /** The `notifyCapacity` of the loop. */
  capacity: number;
  message: unknown;
}

const refusedChannel = diagnosticsChannel('millrace:refused');

export function publishRefusal(refused: RefusedMessage): void {
  if (refusedChannel.hasSubscribers) refusedChannel.publish(refused);
}

export const NOT_TAKEN = 'the message was not taken';

/** `consequence` is the second half of the sentence. */
export function channelClosed(consequence: string): MillraceError {
  return new MillraceError(
    'ERR_CHANNEL_CLOSED',
    `the loop at the other end of the channel was closed; ${consequence}`,
  );
}
