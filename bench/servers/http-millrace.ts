/** The HTTP example, at any port, until the input ends. It says itself where it listens. */
import { endWithInput } from './lifetime.js';

endWithInput(() => process.exit(0));
process.argv[2] = '0';
await import('../../examples/19-http-server/main.js');
