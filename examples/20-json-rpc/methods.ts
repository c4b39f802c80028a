/** Methods by name, and what to say to a request, however wrong it is. No sockets here. */
import {
  type Id,
  internalError,
  invalidParams,
  invalidRequest,
  isObject,
  isRequest,
  methodNotFound,
  type Params,
  parseError,
  type Request,
  type Response,
  RpcError,
} from './protocol.js';

/** A method gets its arguments in order, whether they came by position or by name. */
export interface Method {
  readonly parameters: readonly string[];
  // Arguments are what the other side makes of them: each method checks its own.
  readonly run: (...args: unknown[]) => unknown;
}

export type Methods = Readonly<Record<string, Method>>;

export function method(parameters: readonly string[], run: Method['run']): Method {
  return { parameters, run };
}

/** The answer to what a peer has sent, a request or a batch of them; null if it expects none. */
export async function answerTo(text: string, methods: Methods): Promise<string | null> {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return JSON.stringify(failure(null, parseError()));
  }
  if (!Array.isArray(message)) {
    const response = await respond(message, methods);
    return response === null ? null : JSON.stringify(response);
  }
  if (message.length === 0) return JSON.stringify(failure(null, invalidRequest()));
  // All at once, as the specification allows; answers keep the order of the requests.
  const responses = await Promise.all(message.map((request) => respond(request, methods)));
  const expected = responses.filter((response) => response !== null);
  return expected.length === 0 ? null : JSON.stringify(expected);
}

async function respond(message: unknown, methods: Methods): Promise<Response | null> {
  if (!isRequest(message)) return failure(null, invalidRequest());
  const { id } = message;
  try {
    const result = await call(message, methods);
    // A method without a result has one all the same: without it, this would be no response.
    return id === undefined ? null : { jsonrpc: '2.0', result: result ?? null, id };
  } catch (error) {
    // What went wrong inside is nobody else's business.
    const shown = error instanceof RpcError ? error : internalError();
    return id === undefined ? null : failure(id, shown);
  }
}

function call({ method: name, params = [] }: Request, methods: Methods): unknown {
  // Own names only: nobody is to call 'constructor'.
  if (!Object.hasOwn(methods, name)) throw methodNotFound();
  const { parameters, run } = methods[name];
  return run(...argumentsOf(params, parameters));
}

function argumentsOf(params: Params, names: readonly string[]): readonly unknown[] {
  if (!isObject(params)) {
    if (params.length !== names.length) throw invalidParams(`expected ${names.length} params`);
    return params;
  }
  const missing = names.filter((name) => !Object.hasOwn(params, name));
  const unknown = Object.keys(params).filter((name) => !names.includes(name));
  if (missing.length + unknown.length > 0) throw invalidParams({ missing, unknown });
  return names.map((name) => params[name]);
}

function failure(id: Id, { code, message, data }: RpcError): Response {
  const error = data === undefined ? { code, message } : { code, message, data };
  return { jsonrpc: '2.0', error, id };
}
