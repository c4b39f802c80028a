/**
 * The seam to other threads. A loop's inbox knows the contract below and
 * nothing of how messages travel; `src/channel/` stands above it and provides
 * the way when it is imported.
 *
 *   sending thread                        receiving thread
 *   Sender ─> MessageTarget (an outlet)   Inlet ─> Inbox ─> notify()
 *                    └──────── a lane ──────┘
 *
 * Each sending thread has a lane of its own to each receiving loop, so that
 * messages of one sender stay in order and no lock is needed.
 */

/**
 * What `sender.transfer()` returns and `Sender.from()` takes: shared memory
 * and plain values, so that it can be cloned into any thread, also as
 * `workerData`. Nothing in it is for users.
 */
export interface SenderHandle {
  readonly millrace: 'sender';
  /** Names the loop, in this process. */
  readonly loop: string;
  /** The loop's shared control words. */
  readonly control: SharedArrayBuffer;
}

/** Where the messages of a sender go: an inbox on the same thread, an outlet on others. */
export interface MessageTarget<M> {
  readonly closed: boolean;
  /** False if full or closed; the message was not taken then. */
  offer(message: M): boolean;
  /** Resolves when the message was taken; those who wait are served in turn. */
  offerAsync(message: M, signal?: AbortSignal): Promise<void>;
  wake(): void;
  /** For other threads. */
  transfer(): SenderHandle;
}

/** The messages of one sending thread, in the order in which they were sent. */
export interface Lane<M> {
  /**
   * The next of those that the inlet has announced. Throws when there is no
   * reading it (rule C6); nothing is taken from the lane after that.
   */
  take(): M;
}

/** The receiving end of all lanes to one loop. Belongs to the loop's thread. */
export interface Inlet<M> {
  readonly handle: SenderHandle;

  /**
   * Announces what has arrived since the last call, a lane at a time. Those
   * messages are read by {@link Lane.take}, in the order of the announcements.
   */
  intake(arrived: (lane: Lane<M>, count: number) => void): void;

  /**
   * The capacity of the channel is one for all threads. Takes a place for a
   * message of the loop's own thread; false if there is none. A sender that
   * gives a place back unused wakes the loop as for a message, since somebody
   * there may wait for the place.
   */
  reserve(): boolean;
  /** A message, of whichever thread, was handed out. Other threads may learn it a little later, */
  release(): void;
  /** or at the latest now. */
  publishReleases(): void;

  /**
   * The loop is about to sleep: senders wake it from now on. False if
   * something has arrived that was not announced yet.
   */
  fallAsleep(): boolean;
  wakeUp(): void;

  /** Refuses from now on. Returns what was sent and not yet announced. */
  close(): M[];

  /** Messages that were refused on other threads, because it was full or closed (rule C3). */
  readonly refused: number;
}

/** How an inlet reaches back into its loop. */
export interface InletHost<M> {
  readonly capacity: number;
  /** The poller's key for {@link ThreadSupport.wake}. */
  readonly wakeKey: number;
  /** The loop's own inbox, for senders that come home. */
  readonly inbox: MessageTarget<M>;
}

/**
 * Who sees to the sources that are in flight in a message. The type is that of a
 * method, so that a target of numbers is a target of anything.
 */
export interface Entrusts<M> {
  /**
   * Whether they are entrusted to the receiving thread, and closed with it;
   * otherwise they stay with whom they are.
   */
  entrusts(message: M): boolean;
}

/** What the channel layer provides. */
export interface Crossing {
  /** Opens a loop to other threads: once for each, when its first sender is transferred. */
  openInlet<M>(host: InletHost<M>): Inlet<M>;
  /**
   * The target of a transferred sender, on this thread. Throws TypeError for what is no handle.
   *
   * @param entrusts without it sources in flight outlive both ends. The one that
   * counts is that of the first target of the loop on this thread.
   */
  connect<M>(handle: SenderHandle, entrusts?: Entrusts<M>['entrusts']): MessageTarget<M>;
}

let provided: Crossing | null = null;

/** Called once by the channel layer, when it is loaded. */
export function provideCrossing(channels: Crossing): void {
  provided = channels;
}

export function crossing(): Crossing {
  if (provided === null) throw new Error('the channel layer is not loaded');
  return provided;
}
