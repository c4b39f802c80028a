/**
 * JSON-RPC 2.0 over TCP: a server and a client, each message a frame with its
 * length in front, as 4 bytes in the order of the network.
 *
 *     node dist/examples/20-json-rpc/main.js
 */
import { EventLoop, Handler } from 'millrace';
import { calculator } from './calculator.js';
import { type Alarm, RpcClient } from './rpc-client.js';
import { RpcServer } from './rpc-server.js';

class Main extends Handler<never, Alarm> {
  override timeout(_loop: EventLoop<never, Alarm>, alarm: Alarm): void {
    alarm();
  }
}

const loop = new EventLoop<never, Alarm>();
const running = loop.run(new Main());
const server = new RpcServer(loop, '127.0.0.1:0', calculator);
const client = new RpcClient(loop, server.listen());

console.log(`42 - 23 = ${String(await client.call('subtract', [42, 23]))}`);
const byName = await client.call('subtract', { subtrahend: 23, minuend: 42 });
console.log(`By name: ${String(byName)}`);
client.notify('update', [1, 2, 3, 4, 5]);
const outcomes = await client.batch([
  { method: 'sum', params: [1, 2, 4] },
  { method: 'notify_hello', params: [7], isNotification: true },
  { method: 'subtract', params: ['one', 'two'] },
  { method: 'no_such_method' },
]);
for (const outcome of outcomes) {
  if (outcome.status === 'fulfilled') console.log(`Result: ${String(outcome.value)}`);
  else console.log(String(outcome.reason));
}

client.close();
await server.stop();
loop.shutdown();
await running;
loop.close();
