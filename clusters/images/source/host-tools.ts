import { join } from 'node:path'
import { budgets } from '../../../helpers/budgets.ts'
import { SetupError } from '../../../helpers/errors.ts'
import { run } from '../../../helpers/exec.ts'
import { withFileLock } from '../file-lock.ts'
import { runStep } from '../tools.ts'
import type { Workshop } from './workshop.ts'

/**
 * Makes sure that a program of the host is there, installing Debian packages where that is allowed.
 *
 * @param tool asked for its --version
 * @throws {SetupError} with the command to run, when nothing may be installed or apt fails
 */
export async function needTool(tool: string, packages: readonly string[], workshop: Workshop): Promise<void> {
  if (await answers(tool)) return
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...packages]
  const command = `apt-get update && ${install.join(' ')}`
  const next = `${command}; or bring the images with --images archive:DIR or --images registry`
  if (!workshop.install)
    throw new SetupError({ what: `${tool} is missing, and --no-install forbids installing it`, next })
  const { signal } = workshop
  const options = {
    next,
    budget: budgets.packageInstallMs,
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    signal,
  }
  await workshop.progress.step(`install ${packages.join(', ')} on this machine`, (step) =>
    // apt itself does not wait for another apt.
    withFileLock(
      join(workshop.cache.dir, 'locks', 'apt'),
      async () => {
        if (await answers(tool)) return
        const onLine = (line: string): void => step.update(line)
        await runStep(['apt-get', 'update'], { ...options, what: 'update the package lists', onLine })
        await runStep(install, { ...options, what: `install ${tool}`, onLine })
      },
      { signal },
    ),
  )
}

async function answers(tool: string): Promise<boolean> {
  const answer = await run([tool, '--version'], { allowFailure: true, timeoutMs: budgets.toolVersionMs.ms })
  return answer.exitCode === 0
}
