/** The stream servers that benchmarks compare, each in a process of its own. */
import { nativeProgram } from './native.js';
import { LineProcess, pinned, scriptPath, startWith, withDescriptors } from './processes.js';

/** In the order of rounds and rows. Those of Millrace stand on its plain sockets. */
export const ECHO_SERVERS = ['c', 'net', 'thread', 'inline'] as const;
/** On `millrace/net`: reading up to 64 KiB at once, as all others do, and with its defaults. */
export const LAYER_SERVERS = ['server', 'defaults'] as const;
export type EchoServerName = (typeof ECHO_SERVERS | typeof LAYER_SERVERS)[number];

export const TITLES: Readonly<Record<EchoServerName, string>> = {
  c: 'C epoll',
  net: 'node:net',
  thread: 'millrace thread',
  inline: 'millrace inline',
  server: 'millrace TcpServer',
  defaults: 'the same, 8 KiB reads',
};

/** What a server does with what a connection says: back to it alone, or to all. */
export type Duty = 'echo' | 'broadcast';

/** On which promises are made. */
export const MILLRACE: readonly EchoServerName[] = ['thread', 'inline'];

/** What `node:net`, the C servers and those on plain sockets read at once. */
const READ_BYTES = String(64 * 1024);

/** To start a server, or to open the connections and make a round trip on each. */
export const START_TIMEOUT_MS = 10_000;

/** Where a TCP server listens that may choose: at any free port of the loopback interface. */
export const ANY_PORT = '0';

export interface Server {
  readonly process: LineProcess;
  /** A port of the loopback interface, or the path of a Unix socket, as clients are given it. */
  readonly address: string;
}

export interface EchoServer extends Server {
  readonly name: EchoServerName;
}

export interface EchoServerSetting {
  /** @default echo */
  readonly duty?: Duty;
  /** The port or path to listen at. @default any port */
  readonly address?: string;
  /** The processor that the server is bound to. @default none */
  readonly cpu?: number | null;
  /** Options of Node itself; the C server has none. */
  readonly nodeArgs?: readonly string[];
  /** Descriptors that it may open. @default as many as this process */
  readonly descriptors?: number;
}

export async function startEchoServer(
  name: EchoServerName,
  setting: EchoServerSetting = {},
): Promise<EchoServer> {
  const { cpu = null, descriptors } = setting;
  const command = pinned(commandOf(name, setting), cpu);
  const process = new LineProcess(TITLES[name], withDescriptors(command, descriptors));
  return startWith(process, async () => ({ name, process, address: await readAddress(process) }));
}

/** What a server says when it listens. */
export async function readAddress(server: LineProcess): Promise<string> {
  const line = await server.readLine(START_TIMEOUT_MS);
  const address = /^address (\S+)$/.exec(line)?.[1];
  if (address === undefined) {
    throw new Error(`${server.name} said "${line}" instead of its address`);
  }
  return address;
}

function commandOf(name: EchoServerName, setting: EchoServerSetting): readonly string[] {
  const { duty = 'echo', address = ANY_PORT, nodeArgs = [] } = setting;
  if (name === 'c') return [nativeProgram(`${duty}_server`), address];
  const node = [process.execPath, ...nodeArgs];
  if (name === 'net') return [...node, scriptPath(`servers/${duty}-net`), address];
  if (name === 'server')
    return [...node, scriptPath(`servers/${duty}-server`), address, READ_BYTES];
  if (name === 'defaults') return [...node, scriptPath(`servers/${duty}-server`), address];
  return [...node, scriptPath(`servers/${duty}-millrace`), name, address];
}
