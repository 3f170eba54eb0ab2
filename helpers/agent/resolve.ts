import { randomInt } from 'node:crypto'
import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import type { Of } from './protocol.ts'
import { Slots } from './slots.ts'
import type { Trial } from './trial.ts'

/**
 * getaddrinfo blocks a thread until it gives up, long after its probe did. Lookups beyond the number of threads would
 * queue behind hanging ones and a healed network would look silent. So they do not: they share the answer of a lookup
 * of the same name, or they say that they never got a thread.
 */
const threads = new Slots(Math.max(1, Number(process.env['UV_THREADPOOL_SIZE'] ?? 4)))

/** A lookup may be shared while it is this young: it belongs to the same plan, it is not the leftover of an earlier one. */
const sharedMs = 250

/**
 * glibc waits 5 s for a silent server and asks twice, which is 10 s of a thread for a probe of 3 s. Twice stays, because
 * one lost datagram is nobody's fault; the wait becomes 1 s. Everything else in resolv.conf stays as the kubelet wrote
 * it. To be set before the first lookup.
 */
export function shortenLookups(env: NodeJS.ProcessEnv): void {
  env['RES_OPTIONS'] = 'timeout:1 attempts:2'
}

interface Answer {
  error: NodeJS.ErrnoException | null
  addresses: readonly string[]
  ms: number
}

/**
 * So many lookups of one name have threads of their own, those beyond share the answer of the youngest: where the DNS
 * server is silent, hundreds of one name would keep all threads from another name, of which nothing was learnt then.
 */
const mostOfOneName = Math.ceil(threads.count / 8)

/** The youngest running lookup of each name, and how many there are. */
const running = new Map<string, { startedMs: number; answer: Promise<Answer>; count: number }>()

/**
 * Calls `next` with an address of a host, as every program in the pod would find it, or ends the trial. Of several any
 * one: getaddrinfo puts the nearest first (RFC 6724), and of the pods of a headless Service that is the asking pod itself.
 */
export function resolve(host: string, trial: Trial, next: (address: string) => void): void {
  if (isIP(host) !== 0) return next(host)
  trial.phase = 'resolve'
  void find(host, trial).then((answer) => {
    if (trial.ended || answer === undefined) return
    const { addresses } = answer
    if (answer.error === null) next(addresses[randomInt(Math.max(1, addresses.length))] ?? '')
    else failLookup(answer.error, answer.ms, trial)
  })
}

/** Ends the trial with every address of a name. */
export function probeLookup({ host }: Of<'lookup'>, trial: Trial): void {
  trial.phase = 'resolve'
  trial.sent()
  void find(host, trial).then((answer) => {
    if (trial.ended || answer === undefined) return
    const { error, addresses, ms } = answer
    if (error === null) trial.end('answered', { answers: addresses.toSorted() })
    else failLookup(error, ms, trial)
  })
}

/** Server silent, refusing, unreachable or SERVFAIL: getaddrinfo gives EAI_AGAIN for all of them, at once or late. */
function failLookup(error: NodeJS.ErrnoException, ms: number, trial: Trial): void {
  if (error.code !== 'EAI_AGAIN') return trial.fail(error)
  trial.end('timeout', { detail: `EAI_AGAIN after ${ms} ms: no usable answer from the DNS server` })
}

async function find(host: string, trial: Trial): Promise<Answer | undefined> {
  const other = running.get(host)
  const young = other !== undefined && performance.now() - other.startedMs < sharedMs ? other : undefined
  if (young !== undefined && young.count >= mostOfOneName) return young.answer
  if (threads.tryTake()) return start(host)
  if (young !== undefined) return young.answer
  trial.seen = { end: 'local-error', detail: `all ${threads.count} resolver threads hang in older lookups` }
  await threads.take()
  if (trial.ended) {
    threads.give()
    return undefined
  }
  trial.seen = undefined
  return start(host)
}

function start(host: string): Promise<Answer> {
  const startedMs = performance.now()
  const answer = new Promise<Answer>((settle) => {
    // A alone: an A and an AAAA question leave one socket at once, and the conntrack of a busy node drops one of the two
    // (kubernetes issue 56903). getaddrinfo then says that the name does not exist.
    lookup(host, { family: 4, all: true }, (error, found) => {
      threads.give()
      const left = running.get(host)
      if (left !== undefined && --left.count === 0) running.delete(host)
      const addresses = error === null ? found.map(({ address }) => address) : []
      settle({ error, addresses, ms: Math.round(performance.now() - startedMs) })
    })
  })
  running.set(host, { startedMs, answer, count: (running.get(host)?.count ?? 0) + 1 })
  return answer
}
