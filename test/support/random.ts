/** Random numbers that can be had again: `TEST_SEED=123 npx mocha ...` replays a run. */

export interface Random {
  seed: number;
  /** [0, 1). */
  next(): number;
}

/** mulberry32, by Tommy Ettinger (public domain): small, and good enough for tests. */
export function random(seed = chosenSeed()): Random {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { seed, next };
}

function chosenSeed(): number {
  const given = process.env.TEST_SEED;
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
}
