// An example of code to test: a small client of the Whisperr API that retries after 429, 5xx and lost replies.
import { randomUUID } from 'node:crypto';

export function sender({ apiKey, baseUrl, attempts = 3 }) {
  const queue = [];
  const post = async (body) => {
    try {
      const headers = { 'X-API-Key': apiKey, 'Content-Type': 'application/json' };
      const { status } = await fetch(`${baseUrl}/v1/events/batch`, { method: 'POST', headers, body });
      return status;
    } catch {
      return 0;
    }
  };
  return {
    track(user, type, occurredAt = new Date()) {
      queue.push({
        external_user_id: user,
        event_type: type,
        occurred_at: occurredAt.toISOString(),
        context: { $message_id: randomUUID() },
      });
    },
    async flush() {
      const body = JSON.stringify({ events: queue.splice(0) });
      let status = 0;
      for (let attempt = 0; attempt < attempts && (status === 0 || status === 429 || status >= 500); attempt++) {
        status = await post(body);
      }
      return status;
    },
  };
}
