import { constants } from 'node:os';
import { invalidType, typeErrorWith } from '../errors.js';

const NUMBERS: Readonly<Record<string, number>> = constants.signals;
const NAMES = new Map(
  Object.entries(NUMBERS).map(([name, number]) => [number, name as NodeJS.Signals]),
);

export function signalName(number: number): NodeJS.Signals {
  return NAMES.get(number) as NodeJS.Signals;
}

/** @throws TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_SIGNAL */
export function requireSignal(signal: unknown): number {
  if (typeof signal !== 'string') throw invalidType('signal', "a name such as 'SIGHUP'", signal);
  if (!Object.hasOwn(NUMBERS, signal)) {
    throw typeErrorWith('ERR_UNKNOWN_SIGNAL', `no signal is called "${signal}" on this system`);
  }
  return NUMBERS[signal];
}
