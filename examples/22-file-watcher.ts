/**
 * Watches the files of a directory, and says which were created, changed or
 * removed, once things have calmed down.
 *
 * What the system tells of changes are hints: they come in dozens, may be
 * lost, and name the wrong file after a rename. So a hint only makes the
 * watcher look at the directory, and it is what has been seen that counts.
 * Hints come from `fs.watch()` of Node, and what was seen comes from its thread
 * pool; both are messages to the loop, which goes on with whatever else it has
 * to do, and has the timers for the calm.
 *
 *     node dist/examples/22-file-watcher.js [directory]
 */
import { type FSWatcher, watch } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { EventLoop, Handler, type Sender, type Timeout } from 'millrace';

/** So long without a hint, or so long after the first one, and the files are looked at. */
const CALM_MS = 50;
const PATIENCE_MS = 500;

/** By path, what differs when a file has changed. */
type Tree = ReadonlyMap<string, string>;

/** An error: a directory could not be read. */
type Message = 'hint' | Tree | Error;

class Watcher extends Handler<Message> {
  readonly #look: () => void;
  #tree: Tree | null = null;
  #isLooking = false;
  /** Whether there were hints since the last look began. */
  #isStale = false;
  #calm: Timeout | null = null;
  #impatientAtMs = 0;

  constructor(look: () => void) {
    super();
    this.#look = look;
  }

  override notify(loop: EventLoop<Message>, message: Message): void {
    if (message === 'hint') this.#hinted(loop);
    else if (message instanceof Error) this.#failed(loop, message);
    else this.#seen(loop, message);
  }

  override timeout(): void {
    this.#calm = null;
    this.#isLooking = true;
    this.#isStale = false;
    this.#look();
  }

  override signal(loop: EventLoop<Message>): void {
    loop.shutdown();
  }

  /** Each hint begins the calm anew, until patience is over. */
  #hinted(loop: EventLoop<Message>): void {
    this.#isStale = true;
    if (this.#isLooking) return;
    const nowMs = loop.now();
    if (this.#calm === null) this.#impatientAtMs = nowMs + PATIENCE_MS;
    else loop.clearTimeout(this.#calm);
    const delayMs = Math.min(CALM_MS, this.#impatientAtMs - nowMs);
    this.#calm = loop.timeout(null, Math.max(0, delayMs));
  }

  #seen(loop: EventLoop<Message>, tree: Tree): void {
    this.#isLooking = false;
    const changes = this.#tree === null ? ['Watching'] : changesBetween(this.#tree, tree);
    this.#tree = tree;
    for (const change of changes) console.log(change);
    // A directory that is new was not watched from its beginning: look until nothing is new.
    if (this.#isStale || changes.length > 0) this.#hinted(loop);
  }

  /** One that went while it was read is no longer there next time; without the first, this ends. */
  #failed(loop: EventLoop<Message>, error: Error & { path?: string }): void {
    if (error.path === undefined || error.path === directory) throw error;
    this.#isLooking = false;
    this.#hinted(loop);
  }
}

function changesBetween(before: Tree, after: Tree): string[] {
  const removed = [...before.keys()].filter((path) => !after.has(path));
  const created = [...after.keys()].filter((path) => !before.has(path));
  const changed = [...after].filter(([path, state]) => (before.get(path) ?? state) !== state);
  return [
    ...removed.map((path) => `removed ${path}`),
    ...created.map((path) => `created ${path}`),
    ...changed.map(([path]) => `changed ${path}`),
  ].toSorted();
}

async function treeOf(directory: string): Promise<Tree> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  const states = files.map(async ({ parentPath, name }): Promise<[string, string][]> => {
    const path = join(parentPath, name);
    try {
      const { ino, size, mtimeNs } = await lstat(path, { bigint: true });
      return [[relative(directory, path), `${ino} ${size} ${mtimeNs}`]];
    } catch {
      // Gone since it was listed.
      return [];
    }
  });
  return new Map((await Promise.all(states)).flat());
}

/** With all directories below it, where the system can. */
function watchAll(onHint: () => void): FSWatcher {
  try {
    return watch(directory, { recursive: true }, onHint).on('error', onHint);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM') throw error;
    return watch(directory, onHint).on('error', onHint);
  }
}

const directory = process.argv[2] ?? '.';
const loop = new EventLoop<Message>();
const sender: Sender<Message> = loop.channel();

function hint(): void {
  // With the channel full there are hints enough in it: one that is refused is not missed.
  sender.send('hint');
}

async function lookAround(): Promise<void> {
  const seen = await treeOf(directory).catch((error: Error) => error);
  // Waits if the channel is full of hints. When the loop is closed, nobody asks any more.
  await sender.sendAsync(seen).catch(() => {});
}

loop.registerSignal('SIGINT');
loop.registerSignal('SIGTERM');
const watcher = watchAll(hint);
// The first look finds what is there, of which nothing is told.
hint();
try {
  await loop.run(new Watcher(() => void lookAround()));
} finally {
  watcher.close();
  loop.close();
}
