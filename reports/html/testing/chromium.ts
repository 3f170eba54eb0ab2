import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { budgets } from '../../../helpers/budgets.ts'
import { messageOf } from '../../../helpers/errors.ts'
import { run } from '../../../helpers/exec.ts'
import type { Progress } from '../../../helpers/progress.ts'

/** A Chromium to test the page in, or why there is none. */
export type FoundChromium = { path: string } | { missing: string }

/** Flags that leave the machine's graphics, the network and the vendor's services alone. */
export const chromiumFlags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
// Without fonts a page is measured, but not to be looked at; DejaVu has the marks of the outcomes.
const packages = ['chromium', 'fonts-liberation', 'fonts-dejavu-core']

/**
 * The machine's Chromium; as root on a Debian machine without one, Debian's is installed. Never throws: where there is
 * none, tests are skipped with the reason.
 *
 * @param install false forbids every change to the machine
 */
export async function ensureChromium(install: boolean, progress: Progress): Promise<FoundChromium> {
  const found = await installed()
  if (found !== undefined) return { path: found }
  const command = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`
  const missing = (why: string): FoundChromium => {
    const text = `no Chromium: ${why}; next: ${command}`
    progress.note(`The tests of the page are skipped: ${text}`)
    return { missing: text }
  }
  if (!install) return missing('--no-install forbids to install it')
  if (process.getuid?.() !== 0) return missing('not root, so it cannot be installed')
  progress.note(`Chromium is not installed. Doing what this command would do:\n    ${command}`)
  try {
    await progress.step('install Chromium', async (step) => {
      const onLine = (line: string): void => step.update(line)
      await apt(['update'], onLine)
      await apt(['install', '-y', '--no-install-recommends', ...packages], onLine)
    })
  } catch (error) {
    return missing(messageOf(error))
  }
  const path = await installed()
  return path === undefined ? missing('the package is installed and has no program of that name') : { path }
}

async function installed(): Promise<string | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  for (const path of names.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    const executable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (executable) return path
  }
  return undefined
}

async function apt(args: readonly string[], onLine: (line: string) => void): Promise<void> {
  await run(['apt-get', '-o', 'DPkg::Lock::Timeout=120', ...args], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    timeoutMs: budgets.packageInstallMs.ms,
    onLine,
  })
}
