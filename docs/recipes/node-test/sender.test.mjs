// Run with a server at MOCK_URL: node --test sender.test.mjs
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { session, url } from './mock.mjs';
import { sender } from './sender.mjs';

const start = (mock) => sender({ apiKey: mock.key, baseUrl: url });

test('an event arrives unchanged', async () => {
  const mock = session();
  const client = start(mock);
  client.track('user_1', 'trial_started');
  client.flush();
  const [row] = await mock.wait({ protocol: 'whisperr', where: { '/external_user_id': 'user_1' } });
  assert.equal(row.type, 'trial_started');
});

test('nothing is sent before a flush', async () => {
  const mock = session();
  start(mock).track('user_1', 'trial_started');
  await mock.wait({ verdict: 'any' }, { exactly: 0, quiet_ms: 100 });
});

test('a refused event has a finding with its location', async () => {
  const mock = session();
  const client = start(mock);
  client.track('user_1', 'Trial Started!');
  assert.equal(await client.flush(), 400);
  const [row] = await mock.events('?verdict=rejected');
  assert.equal(row.findings[0].pointer, '/event_type');
});

test('a batch is retried with the same ids when the API is down', async () => {
  const mock = session();
  await mock.faults({ match: { protocol: 'whisperr' }, times: 2, reply: { status: 503 } });
  const client = start(mock);
  client.track('user_1', 'trial_started');
  assert.equal(await client.flush(), 202);
  const [delivery, ...others] = await mock.deliveries();
  assert.deepEqual(others, []);
  assert.equal(delivery.fate, 'accepted_after_retry');
  assert.deepEqual(delivery.attempts.map((attempt) => attempt.status), [503, 503, 202]);
});

test('an event is stored once when its reply was lost', async () => {
  const mock = session();
  await mock.faults({ times: 1, connection: 'drop', when: 'after_commit' });
  const client = start(mock);
  client.track('user_1', 'trial_started');
  await client.flush();
  await mock.wait({ type: 'trial_started' }, { exactly: 1, quiet_ms: 100 });
  assert.deepEqual((await mock.events()).map((row) => row.verdict), ['accepted', 'duplicate']);
});

test('an event that is too old is refused', async () => {
  const mock = session();
  const noon = new Date('2026-06-14T12:00:00Z');
  await mock.setClock(noon);
  const client = start(mock);
  client.track('user_1', 'trial_started', noon);
  await mock.advanceClock(31 * 24 * 60 * 60 * 1000);
  assert.equal(await client.flush(), 400);
  const [row] = await mock.events('?verdict=rejected');
  assert.equal(row.findings[0].pointer, '/occurred_at');
});
