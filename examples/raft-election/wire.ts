/**
 * The datagrams of an election: four messages in one fixed frame.
 *
 *     byte 0       2      3      4      8      12             16            20
 *          | magic | kind | flag | term | from | lastLogIndex | lastLogTerm |
 *
 * All numbers are unsigned and big-endian; a new term every 150 ms would use
 * up its 32 bits in twenty years. A field that a message does not use
 * is zero, so that each message has exactly one encoding and all else can be
 * refused. Anyone can send to a UDP port: {@link decode} trusts nothing.
 */

export const FRAME_BYTES = 20;

/** "MR": tells our datagrams from strays. */
const MAGIC = 0x4d52;

const KIND_VOTE_REQUEST = 1;
const KIND_VOTE_REPLY = 2;
const KIND_HEARTBEAT = 3;
const KIND_HEARTBEAT_REPLY = 4;

/** A candidate asks for the vote of this term (RequestVote in the Raft paper). */
export interface VoteRequest {
  kind: 'voteRequest';
  term: number;
  from: number;
  lastLogIndex: number;
  lastLogTerm: number;
}

export interface VoteReply {
  kind: 'voteReply';
  term: number;
  from: number;
  granted: boolean;
}

/** A leader is alive (AppendEntries without entries). */
export interface Heartbeat {
  kind: 'heartbeat';
  term: number;
  from: number;
}

export interface HeartbeatReply {
  kind: 'heartbeatReply';
  term: number;
  from: number;
  accepted: boolean;
}

export type Message = VoteRequest | VoteReply | Heartbeat | HeartbeatReply;

export function encode(message: Message): Uint8Array {
  const frame = new Uint8Array(FRAME_BYTES);
  const view = new DataView(frame.buffer);
  view.setUint16(0, MAGIC);
  view.setUint32(4, message.term);
  view.setUint32(8, message.from);
  switch (message.kind) {
    case 'voteRequest':
      view.setUint8(2, KIND_VOTE_REQUEST);
      view.setUint32(12, message.lastLogIndex);
      view.setUint32(16, message.lastLogTerm);
      break;
    case 'voteReply':
      view.setUint8(2, KIND_VOTE_REPLY);
      view.setUint8(3, Number(message.granted));
      break;
    case 'heartbeat':
      view.setUint8(2, KIND_HEARTBEAT);
      break;
    case 'heartbeatReply':
      view.setUint8(2, KIND_HEARTBEAT_REPLY);
      view.setUint8(3, Number(message.accepted));
      break;
  }
  return frame;
}

/** The message in this datagram, or null if it is not one of ours. */
export function decode(datagram: Uint8Array): Message | null {
  if (datagram.length !== FRAME_BYTES) return null;
  const view = new DataView(datagram.buffer, datagram.byteOffset, FRAME_BYTES);
  const kind = view.getUint8(2);
  const flag = view.getUint8(3);
  const term = view.getUint32(4);
  const from = view.getUint32(8);
  const lastLogIndex = view.getUint32(12);
  const lastLogTerm = view.getUint32(16);

  if (view.getUint16(0) !== MAGIC) return null;
  // Nobody speaks in term 0: it is where nodes begin before the first campaign.
  if (term === 0 || flag > 1) return null;
  if (kind === KIND_VOTE_REQUEST) {
    if (flag !== 0) return null;
    return { kind: 'voteRequest', term, from, lastLogIndex, lastLogTerm };
  }
  if (lastLogIndex !== 0 || lastLogTerm !== 0) return null;
  switch (kind) {
    case KIND_VOTE_REPLY:
      return { kind: 'voteReply', term, from, granted: flag === 1 };
    case KIND_HEARTBEAT:
      return flag === 0 ? { kind: 'heartbeat', term, from } : null;
    case KIND_HEARTBEAT_REPLY:
      return { kind: 'heartbeatReply', term, from, accepted: flag === 1 };
    default:
      return null;
  }
}
