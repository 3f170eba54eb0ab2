/** The nodes that fixture pods stand on. */

/** The nodes that have fixture pods, by their real names: worker1, worker2, worker3 and so on. */
export type Workers = readonly [string, string, ...string[]]

/** The place of a node among {@link Workers}, counted from one. */
export type WorkerRole = `worker${number}`

/** The real name of a node. */
export const workerName = (role: WorkerRole, workers: readonly string[]): string => {
  const name = workers[Number(role.slice('worker'.length)) - 1]
  if (name === undefined) throw new Error(`there are ${workers.length} nodes with pods, so none is ${role}`)
  return name
}

/** Is it a pod on a node beyond the first two? */
export const isFurther = ({ node }: { node: WorkerRole }): boolean => node !== 'worker1' && node !== 'worker2'
