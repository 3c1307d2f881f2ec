// Holds a HAR archive to the schema of HAR 1.2: node validate.mjs FILE
import { readFileSync } from 'node:fs'
import har from 'har-validator/lib/promise.js'

await har.har(JSON.parse(readFileSync(process.argv[2], 'utf8'))).catch((error) => {
  console.error(JSON.stringify(error.errors ?? String(error)))
  process.exit(1)
})
