import type { Fault } from './fault.ts'
import { packetFilterFault } from './packet-filter.ts'

/** Faults of nodes that only the checks of every node can see. */

const thirdWorkerCutOff: Fault = {
  id: 'third-worker-cut-off',
  breaks: 'The pod that stands for the third worker gets no packet; the first two workers are whole.',
  needs: { workers: 3 },
  red: () => ['coverage/**'],
  ...packetFilterFault(() => [
    {
      pod: { node: 'worker3', name: 'worker3-a' },
      table: 'filter',
      chain: 'INPUT',
      match: ['!', '-i', 'lo', '-j', 'DROP'],
    },
  ]),
}

const thirdWorkerWithoutUdp: Fault = {
  id: 'third-worker-without-udp',
  breaks: 'UDP that leaves the pod of the third worker is dropped; TCP and the first two workers are whole.',
  needs: { workers: 3 },
  red: () => ['coverage/node-pairs/udp', 'coverage/every-node/dns'],
  ...packetFilterFault(() => [
    {
      pod: { node: 'worker3', name: 'worker3-a' },
      table: 'filter',
      chain: 'OUTPUT',
      match: ['-p', 'udp', '!', '-o', 'lo', '-j', 'DROP'],
    },
  ]),
}

export const coverageFaults: readonly Fault[] = [thirdWorkerCutOff, thirdWorkerWithoutUdp]
