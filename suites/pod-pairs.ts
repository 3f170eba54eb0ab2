/** The pods of checks that ask the same on every path between two pods, and these paths. */

/** Two pods on each worker. */
export const neighbours = {
  first: { node: 'worker1' },
  second: { node: 'worker1' },
  third: { node: 'worker2' },
  fourth: { node: 'worker2' },
} as const

/** One pod on each worker. */
export const strangers = { here: { node: 'worker1' }, there: { node: 'worker2' } } as const

/** The same question between pods of one node, in both directions, on both nodes. */
export const amongNeighbours = <const Ask>(ask: Ask) =>
  [
    { from: 'first', to: 'second', via: 'pod-ip', ...ask },
    { from: 'second', to: 'first', via: 'pod-ip', ...ask },
    { from: 'third', to: 'fourth', via: 'pod-ip', ...ask },
    { from: 'fourth', to: 'third', via: 'pod-ip', ...ask },
  ] as const

/** The same question between pods of different nodes, in both directions. */
export const amongStrangers = <const Ask>(ask: Ask) =>
  [
    { from: 'here', to: 'there', via: 'pod-ip', ...ask },
    { from: 'there', to: 'here', via: 'pod-ip', ...ask },
  ] as const
