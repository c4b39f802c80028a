/**
 * Two pipes: one with a name, that shells write to, and one inside the process.
 *
 * Commands come through the named pipe, which mkfifo(1) makes and node:fs
 * opens: `FdSource` makes a source of any descriptor. `repeat text count` sends
 * a line through `pipe()`, `end` closes it. A line may be longer than what the
 * pipe holds: its rest is written whenever there is room.
 *
 *     node dist/examples/14-pipe-and-named-pipe.js
 */
import { execFileSync, spawn } from 'node:child_process';
import { constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { EventLoop, FdSource, Handler, Interest, PollOpt, pipe, RingBuf } from 'millrace';

const SCRIPT = 'for c in "repeat ab 100000" dance "repeat c 5" end; do echo "$c" > "$0"; done';
const REPEAT = /^repeat (\S+) (\d{1,6})$/;
const NEWLINE = 10;
const Token = { COMMANDS: 0, READER: 1, WRITER: 2 } as const;
/** While nothing waits to be written, room in the pipe is no news. */
const ROOM_ONCE = [Interest.WRITABLE, PollOpt.ONESHOT] as const;

class Repeater extends Handler {
  readonly #commands = new RingBuf(4096, { capacityMaxBytes: 4096 });
  readonly #outgoing = new RingBuf(0);
  readonly #incoming = new RingBuf(0);

  override readable(loop: EventLoop, token: number): void {
    if (token === Token.COMMANDS) this.#obey(loop);
    else this.#receive(loop);
  }

  /** Writes what the pipe takes now, and asks to be told of room for the rest. */
  override writable(loop: EventLoop): void {
    const [bytes] = this.#outgoing.readable();
    if (bytes.length > 0) this.#outgoing.consume(writer.write(bytes) ?? 0);
    if (this.#outgoing.length > 0) loop.reregister(writer, Token.WRITER, ...ROOM_ONCE);
    else if (fifo.closed) writer.close();
  }

  #obey(loop: EventLoop): void {
    // A command that fills the ring and has no end is none.
    if (this.#commands.room === 0) this.#commands.clear();
    this.#commands.commit(fifo.read(this.#commands.writable()) ?? 0);
    for (const command of linesOf(this.#commands)) {
      const [, text = '', count = 0] = REPEAT.exec(command) ?? [];
      const sizeBytes = Buffer.byteLength(text) * Number(count) + 1;
      const isPossible = text !== '' && sizeBytes <= this.#outgoing.room;
      if (isPossible) this.#outgoing.write(Buffer.from(`${text.repeat(Number(count))}\n`));
      else if (command === 'end') fifo.close();
      else console.log(`Refused: ${command}`);
    }
    this.writable(loop);
  }

  #receive(loop: EventLoop): void {
    const size = reader.read(this.#incoming.writable(4096));
    if (size === 0) loop.shutdown();
    this.#incoming.commit(size ?? 0);
    for (const line of linesOf(this.#incoming)) {
      console.log(`Received ${line.length} characters: ${line.slice(0, 5)}`);
    }
  }
}

/** Takes the lines that are complete out of the ring. */
function* linesOf(ring: RingBuf): Generator<string> {
  for (let end = ring.indexOf(NEWLINE); end >= 0; end = ring.indexOf(NEWLINE)) {
    const line = Buffer.alloc(end + 1);
    ring.read(line);
    yield line.toString('utf8', 0, end);
  }
}

const path = join(mkdtempSync(join(tmpdir(), 'millrace-')), 'commands');
process.once('exit', () => rmSync(dirname(path), { recursive: true }));
execFileSync('mkfifo', [path]);
// Open for writing as well, it does not end each time that a shell has written and closed it.
const fifo = new FdSource(openSync(path, constants.O_RDWR));
const [reader, writer] = pipe();
using loop = new EventLoop();
loop.register(fifo, Token.COMMANDS);
loop.register(reader, Token.READER);
loop.register(writer, Token.WRITER, ...ROOM_ONCE);
console.log(`Commands: ${path}`);
spawn('sh', ['-c', SCRIPT, path], { stdio: 'inherit' });
await loop.run(new Repeater());
reader.close();
