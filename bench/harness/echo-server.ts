/** The echo servers that benchmarks compare, each in a process of its own. */
import { fileURLToPath } from 'node:url';
import { nativeProgram } from './native.js';
import { LineProcess, pinned, withDescriptors } from './processes.js';

/** In the order of rounds and rows. */
export const ECHO_SERVERS = ['c', 'net', 'thread', 'inline'] as const;
export type EchoServerName = (typeof ECHO_SERVERS)[number];

export const TITLES: Readonly<Record<EchoServerName, string>> = {
  c: 'C epoll',
  net: 'node:net',
  thread: 'millrace thread',
  inline: 'millrace inline',
};

/** On which promises are made. */
export const MILLRACE: readonly EchoServerName[] = ['thread', 'inline'];

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
  { address = ANY_PORT, cpu = null, nodeArgs = [], descriptors }: EchoServerSetting = {},
): Promise<EchoServer> {
  const command = pinned(echoServerCommand(name, address, nodeArgs), cpu);
  const process = new LineProcess(TITLES[name], withDescriptors(command, descriptors));
  try {
    return { name, process, address: await readAddress(process) };
  } catch (error) {
    await process.stop();
    throw error;
  }
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

/** The path of a compiled server, by the name of its file. */
export function serverScript(file: string): string {
  return fileURLToPath(new URL(`../servers/${file}.js`, import.meta.url));
}

function echoServerCommand(
  name: EchoServerName,
  address: string,
  nodeArgs: readonly string[],
): readonly string[] {
  if (name === 'c') return [nativeProgram('echo_server'), address];
  const node = [process.execPath, ...nodeArgs];
  if (name === 'net') return [...node, serverScript('echo-net'), address];
  return [...node, serverScript('echo-millrace'), name, address];
}
