import { budgets } from '../helpers/budgets.ts'
import { SetupError, messageOf } from '../helpers/errors.ts'
import { CommandError, lastLines } from '../helpers/exec.ts'

/** What people have met before, by a word in kind's output. */
const remedies: readonly [RegExp, string][] = [
  [
    /no space left/i,
    'free some disk space: `docker system df` says what Docker holds, `cni-conformance clean` what we left',
  ],
  [/too many open files|inotify/i, 'sysctl -w fs.inotify.max_user_instances=1024'],
  [
    /unable to apply caps|CAP_SYS_RESOURCE/i,
    'run once without --no-install, so that Docker gets the runtime shim; `cni-conformance doctor` says more',
  ],
  [/port is already allocated|address already in use/i, 'free the port, then try again'],
  [
    /non-overlapping IPv4 address pool|overlaps with other/i,
    'docker network prune: Docker has no free subnet for another network',
  ],
  [
    /could not find a log line|Reached target/i,
    'the node did not boot: look at cgroups and free memory, `cni-conformance doctor` does',
  ],
]

/** The error of a failed creation: the end of kind's output, and what helped others. */
export function creationFailed(name: string, cause: unknown): SetupError {
  const output =
    cause instanceof CommandError ? `${cause.result.stdout}\n${cause.result.stderr}` : messageOf(cause)
  const timedOut = cause instanceof CommandError && cause.timedOut
  const known = remedies.find(([pattern]) => pattern.test(output))?.[1]
  return new SetupError({
    what: timedOut
      ? `kind did not create cluster ${name} within ${budgets.clusterCreateMs.ms / 1000} s (budget clusterCreateMs)`
      : `kind could not create cluster ${name}`,
    seen: `kind's last lines:\n${lastLines(output, 12)}`,
    next: known ?? '`cni-conformance doctor` checks what kind needs of this machine',
    cause,
  })
}
