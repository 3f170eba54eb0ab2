import { get } from 'node:http'
import { exchange } from './probe-datagram.ts'
import { open } from './probe-stream.ts'
import type { Of } from './protocol.ts'
import type { Found, Trial } from './trial.ts'

/**
 * Probes of what is not ours: no identity comes back, so all that can be seen is that something answers. What is read
 * of an answer is its kind and its length; what it says is nobody's business.
 */

export function probeConnect(probe: Of<'connect'>, host: string, found: Found, trial: Trial): void {
  if (probe.protocol === 'tcp')
    return open(host, probe.port, trial, () => answered(trial, found, 'connected'))
  if (probe.protocol === 'http') return askHttp(probe, host, found, trial)
  // A line end: text protocols may answer it, and it means nothing to the others.
  exchange({ host, port: probe.port, payload: '\n', trial }, (message) => {
    answered(trial, found, `a datagram of ${message.length} bytes`)
    return undefined
  })
}

const answered = (trial: Trial, found: Found, detail: string): void =>
  trial.end('answered', { ...found, detail })

/** Any status is an answer; the body is not read. */
function askHttp(probe: Of<'connect'>, host: string, found: Found, trial: Trial): void {
  trial.phase = 'connect'
  trial.sent()
  trial.withSourcePort((localPort, failed) => {
    // The name that was asked for, not the address that it has: servers with several names choose by it.
    const headers = { host: nameOf(probe), connection: 'close' }
    const request = get(
      { host, port: probe.port, path: '/', localPort, agent: false, headers },
      (response) => {
        response.on('error', () => undefined)
        const { statusCode } = response
        const status = statusCode === undefined ? {} : { status: statusCode }
        answered(trial, { ...found, ...status }, `HTTP ${statusCode}`)
      },
    )
    trial.onEnd(() => request.destroy())
    request.on('error', failed)
    request.once('socket', (socket) => socket.once('connect', () => (trial.phase = 'answer')))
  })
}

function nameOf({ host, port }: Of<'connect'>): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === 80 ? name : `${name}:${port}`
}
