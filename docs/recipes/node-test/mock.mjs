// One session of a running mock server, over its control surface: all a JavaScript test needs, in one file to copy.
import { randomUUID } from 'node:crypto';

export const url = process.env.MOCK_URL ?? 'http://localhost:8207';

/** A session of its own for each test: the key that the client under test is given names it. */
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
    /** Resolves once the events are there, or once it is clear that they are not; throws what the server knows of why. */
    async wait(match, options = {}) {
      const answer = await call('POST', '/wait', { match, ...options });
      if (!answer.satisfied) throw new Error(`the wait ended with ${answer.reason}: ${JSON.stringify(answer, null, 2)}`);
      return answer.events;
    },
    events: async (query = '') => (await call('GET', `/events${query}`)).events,
    deliveries: async () => (await call('GET', '/deliveries')).deliveries,
    faults: (...steps) => call('PUT', '/faults', steps),
    setClock: (now) => call('PUT', '/clock', { now, frozen: true }),
    advanceClock: (ms) => call('POST', '/clock/advance', { ms }),
  };
}
