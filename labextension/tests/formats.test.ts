import assert from 'node:assert/strict';
import test from 'node:test';

import {
  formatDollars,
  formatHourlyPrice,
  formatMemory
} from '../src/formats.ts';

test('money below a dollar has four digits, and six below a tenth of a cent', () => {
  assert.equal(formatDollars(0), '$0.0000');
  assert.equal(formatDollars(12_300_000), '$0.0123');
  assert.equal(formatDollars(1_097), '$0.000001');
});

test('money from a dollar on has cents and groups thousands', () => {
  assert.equal(formatDollars(1_000_000_000), '$1.00');
  assert.equal(formatDollars(1_204_500_000_000), '$1,204.50');
});

test('an hour of an H100 is shown to the cent', () => {
  assert.equal(formatHourlyPrice(1_097_000), '$3.95');
});

test('memory is in GiB, with a digit only when it is not whole', () => {
  assert.equal(formatMemory(85_899_345_920), '80 GiB');
  assert.equal(formatMemory(24_146_608_128), '22.5 GiB');
});
