/** The answer of the HTTP example to `GET /`, on `node:http`. */
import { createServer } from 'node:http';
import { serveWithNode } from './lifetime.js';

const BODY = 'Hello from Millrace\n';

const server = createServer((request, response) => {
  if (request.method === 'GET' && request.url === '/') {
    const length = Buffer.byteLength(BODY);
    const head = { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': length };
    response.writeHead(200, head).end(BODY);
  } else {
    response.writeHead(404).end();
  }
});

serveWithNode(server);
