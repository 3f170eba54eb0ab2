import { isIP } from 'node:net'
import { connect, type PeerCertificate } from 'node:tls'
import { excerpt, open } from './probe-stream.ts'
import type { Of } from './protocol.ts'
import type { Found, Trial } from './trial.ts'

/** Longest beginning of an answer that is read until its first line is whole, in bytes. */
const maxStatusBytes = 1_024

/**
 * One request over TLS. A connect that succeeds proves nothing: on a node without kube-proxy somebody else may answer
 * at the address of the API server. So the certificate must come from the given authority and be for that very host.
 */
export function probeTls(probe: Of<'tls'>, address: string, found: Found, trial: Trial): void {
  const { host, port, ca, path } = probe
  open(address, port, trial, (socket) => {
    const name = isIP(host) === 0 ? { host, servername: host } : { host }
    // What is not trusted is told apart from what is broken: so the connection is made first, then judged.
    const secure = connect({ socket, ca, ...name, rejectUnauthorized: false })
    trial.onEnd(() => secure.destroy())
    secure.on('error', (error) => trial.fail(error))
    secure.once('secureConnect', () => {
      if (!secure.authorized) {
        const why = String(secure.authorizationError)
        return trial.end('untrusted', {
          ...found,
          detail: `${why}; ${whoseText(secure.getPeerCertificate())}`,
        })
      }
      let text = ''
      secure.setEncoding('utf8')
      secure.on('data', (chunk: string) => {
        text += chunk
        if (!text.includes('\n') && text.length < maxStatusBytes) return
        if (/^HTTP\/\d(\.\d)? \d{3}\b/.test(text)) trial.end('answered', found)
        else trial.end('bad-answer', { ...found, detail: `no HTTP: ${excerpt(text)}` })
      })
      secure.on('end', () => trial.end('bad-answer', { ...found, detail: 'closed without an answer' }))
      secure.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)
    })
  })
}

/** Whose certificate it is, as far as it says so. */
function whoseText({ subject, issuer }: Partial<PeerCertificate>): string {
  return `the certificate is for ${nameIn(subject)}, issued by ${nameIn(issuer)}`
}

const nameIn = (who: PeerCertificate['subject'] | undefined): string => String(who?.CN ?? 'nobody')
