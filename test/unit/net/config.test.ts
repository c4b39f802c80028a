/** What servers and clients are set to when nothing is said: what docs/api.md says. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { resolveClientConfig, resolveServerConfig } from '../../../src/net/config.js';

const UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1 << 20 };

/** As the table writes it: `8192`, `1 MiB`, `true`, `Infinity`. */
function valueOf(text: string): unknown {
  if (/^(true|false)$/.test(text)) return text === 'true';
  const [, number = text, unit] = /^(\d+) ([KM]iB)\b/.exec(text) ?? [];
  return Number(number) * (unit === undefined ? 1 : UNITS[unit]);
}

/** The options that only one of the two has. */
const SERVERS = ['maxConnections', 'reusePort'];
const CLIENTS = ['connectTimeoutMs'];

type Values = Readonly<Record<string, unknown>>;

function without(values: Values, names: readonly string[]): Values {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)));
}

function undefinedOnes(values: Values): Values {
  return Object.fromEntries(Object.keys(values).map((name) => [name, undefined]));
}

describe('options of servers and clients', () => {
  it('an option that is absent, or undefined, has the default that docs/api.md names', () => {
    const [, table = ''] = readFileSync('docs/api.md', 'utf8').split(/^(?=\| `bufferSizeBytes`)/m);
    const [text = ''] = table.split('\n\n');
    const rows = [...text.matchAll(/^\| `(\w+)` \| (\d[^|]*|true|false|Infinity) \|/gm)];
    const documented = Object.fromEntries(
      rows.map(([, name, value = '']) => [name, valueOf(value)]),
    );
    expect(Object.keys(documented)).to.have.length(9);
    const server = { ...without(documented, CLIENTS), autoPause: true };
    const client = { ...without(documented, SERVERS), autoPause: false };
    const address = '127.0.0.1:0';
    for (const given of [{}, undefinedOnes(server)]) {
      expect(resolveServerConfig({ address, ...given })).to.include(server);
    }
    for (const given of [{}, undefinedOnes(client)]) {
      expect(resolveClientConfig({ address, ...given })).to.include(client);
    }
  });
});
