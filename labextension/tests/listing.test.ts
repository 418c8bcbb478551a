import assert from 'node:assert/strict';
import test from 'node:test';

import type { IOffer } from '../src/gateway.ts';
import { afterAnswer, afterFailure, NOTHING_YET } from '../src/listing.ts';

const H100: IOffer = {
  name: 'H100',
  label: 'H100 (simulated)',
  gpu: 'H100',
  memory_bytes: 80 * 2 ** 30,
  count_total: 2,
  count_free: 1,
  price_nanos_per_s: 1_097_000,
  spawner: 'process',
  isolation: 'none',
  isolations: ['none'],
  mounts: [],
  simulated: true
};

const ready = afterAnswer({ gateway: 'running', offers: [H100], sessions: [] });

test('an answer makes the listing ready and hands its lists on', () => {
  assert.equal(ready.condition, 'ready');
  assert.deepEqual(ready.offers, [H100]);
});

test('a gateway that is not running is a condition of its own, without a message', () => {
  const listing = afterAnswer({
    gateway: 'not-running',
    offers: [],
    sessions: []
  });
  assert.equal(listing.condition, 'not-running');
  assert.equal(listing.message, '');
});

test('a failure keeps the lists that were there', () => {
  const failed = afterFailure(ready, 'failed', 'the ledger is full');
  assert.equal(failed.condition, 'failed');
  assert.equal(failed.message, 'the ledger is full');
  assert.deepEqual(failed.offers, [H100]);
});

test('a failure before the first answer has nothing to keep', () => {
  assert.deepEqual(
    afterFailure(NOTHING_YET, 'offline', 'no network').offers,
    []
  );
});

test('an answer after a failure clears it', () => {
  const failed = afterFailure(ready, 'offline', 'no network');
  assert.equal(failed.condition, 'offline');
  assert.deepEqual(
    afterAnswer({ gateway: 'running', offers: [H100], sessions: [] }),
    ready
  );
});
