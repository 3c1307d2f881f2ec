// Sends what a page sends, in Chromium, and keeps it as a HAR archive: node browse.mjs CHROMIUM URL KEY FILE
import { chromium } from 'playwright-core'

const [executablePath, url, key, path] = process.argv.slice(2)
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--no-proxy-server'] })
const context = await browser.newContext({ recordHar: { path } })
const page = await context.newPage()
await page.goto(`${url}/livez`)
const statuses = await page.evaluate(
  async ([url, key]) => {
    const at = Date.now()
    const pageview = { type: 'pageview', timestamp: at, url: 'https://shop.example/', path: '/' }
    const send = (path, body, headers = {}) =>
      fetch(url + path, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body })
    const outlit = JSON.stringify({ visitorId: crypto.randomUUID(), source: 'client', events: [pageview, { type: 'x' }] })
    const paid = { external_user_id: 'ada@corp.example', event_type: 'paid', context: { $message_id: 'm-1' } }
    const whisperr = JSON.stringify({ events: [paid] })
    const stream = new Blob([whisperr]).stream().pipeThrough(new CompressionStream('gzip'))
    const packed = await new Response(stream).arrayBuffer()
    const replies = [
      await send(`/api/i/v1/pk_${key}/events`, outlit),
      await send('/v1/events/batch', whisperr, { 'X-API-Key': `wrk_${key}` }),
      await send('/v1/events/batch', packed, { 'X-API-Key': `wrk_${key}`, 'Content-Encoding': 'gzip' }),
      await send('/v1/events/batch', 'not json', { 'X-API-Key': `wrk_${key}` }),
    ]
    await Promise.all(replies.map((reply) => reply.text()))
    return replies.map((reply) => reply.status)
  },
  [url, key],
)
await context.close()
await browser.close()
console.log(JSON.stringify(statuses))
