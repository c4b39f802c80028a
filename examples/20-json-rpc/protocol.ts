/** JSON-RPC 2.0, as https://www.jsonrpc.org/specification has it: what goes over the wire. */

export type Params = readonly unknown[] | Readonly<Record<string, unknown>>;
export type Id = string | number | null;

export interface Request {
  jsonrpc: '2.0';
  method: string;
  params?: Params;
  /** Without one it is a notification, which is not answered, whatever comes of it. */
  id?: Id;
}

export interface ErrorObject {
  code: number;
  message: string;
  data?: unknown;
}

export type Response = { jsonrpc: '2.0'; id: Id } & ({ result: unknown } | { error: ErrorObject });

/** What a call came to on the other side. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }

  override get name(): string {
    return `RpcError ${this.code}`;
  }
}

export const parseError = () => new RpcError(-32700, 'Parse error');
export const invalidRequest = () => new RpcError(-32600, 'Invalid Request');
export const methodNotFound = () => new RpcError(-32601, 'Method not found');
export const invalidParams = (data?: unknown) => new RpcError(-32602, 'Invalid params', data);
export const internalError = () => new RpcError(-32603, 'Internal error');

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isRequest(value: unknown): value is Request {
  if (!isObject(value) || value.jsonrpc !== '2.0' || typeof value.method !== 'string') return false;
  if (value.params !== undefined && !isObject(value.params) && !Array.isArray(value.params)) {
    return false;
  }
  return value.id === undefined || isId(value.id);
}

export function isResponse(value: unknown): value is Response {
  if (!isObject(value) || value.jsonrpc !== '2.0' || !isId(value.id)) return false;
  if ('result' in value) return !('error' in value);
  const { error } = value;
  return isObject(error) && Number.isInteger(error.code) && typeof error.message === 'string';
}

function isId(value: unknown): value is Id {
  return value === null || typeof value === 'string' || typeof value === 'number';
}
