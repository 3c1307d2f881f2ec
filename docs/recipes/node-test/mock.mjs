// A client for one session of a running mock server, in one file to copy into a JavaScript test suite.
import { randomUUID } from 'node:crypto';

export const url = process.env.MOCK_URL ?? 'http://localhost:8207';

/** A new session for each test. Its name is the key of the client under test. */
export function session(key = `pk_${randomUUID()}`) {
  const call = async (method, path, body) => {
    const reply = await fetch(`${url}/_mock/sessions/${encodeURIComponent(key)}${path}`, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = await reply.json();
    if (!reply.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer;
  };
  return {
    key,
    /** Resolves with the events when they have arrived. Throws an error with an explanation if they do not. */
    async wait(match, options = {}) {
      const answer = await call('POST', '/wait', { match, ...options });
      if (!answer.satisfied) throw new Error(answer.explanation);
      return answer.events;
    },
    events: async (query = '') => (await call('GET', `/events${query}`)).events,
    deliveries: async () => (await call('GET', '/deliveries')).deliveries,
    faults: (...steps) => call('PUT', '/faults', steps),
    setClock: (now) => call('PUT', '/clock', { now, frozen: true }),
    advanceClock: (ms) => call('POST', '/clock/advance', { ms }),
  };
}
