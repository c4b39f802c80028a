/** Plain-text tables: the first column left-aligned, figures right-aligned. */
import type { Summary } from './statistics.js';

/** Stands where a figure could not be measured. */
const MISSING = '-';

export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd(),
  );
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [lines[0], rule, ...lines.slice(1)].join('\n');
}

/** With just enough digits to compare: 1,234  56.7  8.90; exact integers have none. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return MISSING;
  const size = Math.abs(value);
  let digits = 2;
  if (size >= 1000 || Number.isInteger(value)) digits = 0;
  else if (size >= 10) digits = 1;
  return value.toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

export function formatSpread(summary: Summary): string {
  if (!Number.isFinite(summary.median)) return MISSING;
  return `${formatNumber(summary.min)} - ${formatNumber(summary.max)}`;
}

export function formatRatio(ratio: number): string {
  return Number.isFinite(ratio) ? ratio.toFixed(2) : MISSING;
}
