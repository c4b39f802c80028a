/**
 * Hello: one message, one handler.
 *
 * The message is sent before the loop runs. It waits in the loop's channel and
 * is delivered in the first tick.
 */
import { EventLoop, Handler } from 'millrace';

class Greeter extends Handler<string> {
  override notify(loop: EventLoop<string>, message: string): void {
    console.log(message);
    loop.shutdown();
  }
}

const loop = new EventLoop<string>();
const sender = loop.channel();

sender.send('Hello');
await loop.run(new Greeter());
loop.close();
