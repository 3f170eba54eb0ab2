import { subscribe } from 'node:diagnostics_channel'
import { writeFileSync } from 'node:fs'
import { requestOf } from '../clusters/given/permissions.ts'

/** Loaded before a run: writes down how many requests it sent over HTTP, by kind. Streams to pods are none of them. */

interface Sent {
  request: { method: string; path: string; origin: string }
}

const counts: Record<string, number> = {}
subscribe('undici:request:create', (message) => {
  const { method, path, origin } = (message as Sent).request
  const { verb, resource } = requestOf(method, `${origin}${path}`, origin) ?? { verb: 'get', resource: path }
  const kind = `${verb} ${resource}`
  counts[kind] = (counts[kind] ?? 0) + 1
})
process.on('exit', () => {
  const file = process.env['COUNT_REQUESTS_IN']
  if (file !== undefined) writeFileSync(file, JSON.stringify(counts))
})
