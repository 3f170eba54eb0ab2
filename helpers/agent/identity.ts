import type { Identity } from './protocol.ts'

/** Who this agent is, from the downward API. */
export type Self = Omit<Identity, 'nonce' | 'saw'>

export function readSelf(env: NodeJS.ProcessEnv): Self {
  const { POD_UID = '', POD_NAMESPACE = '', POD_NAME = '', NODE_NAME = '' } = env
  return { podUid: POD_UID, pod: `${POD_NAMESPACE}/${POD_NAME}`, node: NODE_NAME }
}

/** Where the agent's server listens. The ports are fixed in the cluster; tests put several servers on one machine. */
export interface ServerOptions {
  /** Undefined listens on every address of both families. */
  host: string | undefined
  ports: { http: number; tcp: number; udp: number }
  /** Unix socket for receipts; undefined without AGENT_DIR. */
  receiptsSocket: string | undefined
}

/** Unix socket over which the prober asks its server. Not loopback: a fault takes `lo` down. */
export function receiptsSocket(env: NodeJS.ProcessEnv): string | undefined {
  const directory = env['AGENT_DIR']
  return directory === undefined ? undefined : `${directory}/agent.sock`
}

/** Where the server leaves its process id: the prober looks whether it gets to run. */
export const serverPidFile = (directory: string): string => `${directory}/agent.pid`

/** A nonce as plans carry it. Everything else is not ours and gets no answer. */
export function isNonce(text: string): boolean {
  return /^[\w-]{1,128}$/.test(text)
}

/** An address as the API writes it: IPv4 not mapped into IPv6, no zone. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
}
