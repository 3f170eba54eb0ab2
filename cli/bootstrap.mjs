// Runs before `npm start` and `npm test`, on whatever Node.js is there (18 or later), without any dependency:
// brings node_modules, which hold among others a Node.js that is new enough for everything else.
import { spawn, spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
/** npm writes it last, so it says that the installation was finished. */
const installedLock = join(modules, '.package-lock.json')
const wantedLock = join(root, 'package-lock.json')
const ownNode = join(modules, '.bin', 'node')
const guard = join(root, '.bootstrap.lock')

/** @param {string} path */
const changedMs = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

const isInstalled = () =>
  existsSync(ownNode) && changedMs(installedLock) > 0 && changedMs(installedLock) >= changedMs(wantedLock)

/**
 * Exit code 3: inconclusive, there is no verdict about any network.
 * @param {string} what
 * @param {string} seen
 * @param {string} next
 * @returns {never}
 */
function giveUp(what, seen, next) {
  const lines = [what, ...(seen === '' ? [] : [`  seen: ${seen}`]), `  next: ${next}`]
  process.stderr.write(`${lines.join('\n')}\n`)
  rmSync(guard, { force: true })
  process.exit(3)
}

function mayInstall() {
  const forbidden = process.env.CNI_CONFORMANCE_NO_INSTALL
  return (
    !process.argv.includes('--no-install') &&
    (forbidden === undefined || ['', '0', 'false'].includes(forbidden))
  )
}

/**
 * Installs exactly what package-lock.json says, by the user's npm and with the user's settings; silent unless it takes
 * long or fails. Not `npm ci`: that refuses a lock without the optional packages of other platforms, and a registry
 * mirror that lacks those makes such locks (https://github.com/npm/cli/issues/4828).
 */
const command = 'npm install --no-save'
async function install() {
  const startedMs = Date.now()
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - startedMs) / 1000)
    if (seconds === 2 || seconds % 20 === 0)
      process.stderr.write(`… install node_modules: ${command} (${seconds} s)\n`)
  }, 1_000)
  const npm = process.env.npm_execpath
  const [program, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []]
  // loglevel=error: the Node.js that runs npm here may be older than `engines`; the one it installs is not.
  const flags = [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--engine-strict=false',
  ]
  const child = spawn(program, [...first, ...flags], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  const failure = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) =>
      resolve(code === 0 ? '' : `npm ended with ${signal ?? `exit code ${code}`}`),
    )
  })
  clearInterval(timer)
  if (failure !== '') {
    // npm says what happened first; what follows are stacks and help about itself.
    const lines = output.split('\n').filter((line) => !/^npm error(\s+at .*|\s*)$|^\s*$/.test(line))
    const seen = [failure, ...lines.slice(0, 10)].join('\n    ')
    giveUp('could not install node_modules', seen, `mend what npm complains about, then: ${command}`)
  }
  // npm keeps the time of an unchanged file; ours says that it has been compared with the wanted one.
  const now = new Date()
  utimesSync(installedLock, now, now)
}

/** Runs `work` in one process at a time. The lock of a dead process is no obstacle. */
async function alone(work) {
  mkdirSync(root, { recursive: true })
  for (;;) {
    try {
      const file = openSync(guard, 'wx')
      writeSync(file, String(process.pid))
      closeSync(file)
      break
    } catch (error) {
      if (error.code !== 'EEXIST')
        giveUp('could not write into the checkout', error.message, `make ${root} writable`)
      if (isStale()) rmSync(guard, { force: true })
      else await delay(200)
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => (rmSync(guard, { force: true }), process.exit(3)))
  try {
    if (!isInstalled()) await work()
  } finally {
    rmSync(guard, { force: true })
  }
}

function isStale() {
  let text = ''
  try {
    text = readFileSync(guard, 'utf8')
    // Empty: between its creation and its content.
    if (text === '') return Date.now() - changedMs(guard) > 5_000
    process.kill(Number(text), 0)
    return false
  } catch (error) {
    return (
      error.code === 'ESRCH' || error.code === 'ERR_OUT_OF_RANGE' || error.code === 'ERR_INVALID_ARG_TYPE'
    )
  }
}

/** @param {string} version "24.21.0" @param {string} range as in package.json, "^24.12.0 || >=26" */
function satisfies(version, range) {
  const parts = (text) => text.split('.').map(Number)
  const [major = 0, minor = 0, patch = 0] = parts(version)
  return range.split('||').some((each) => {
    const [wantedMajor = 0, wantedMinor = 0, wantedPatch = 0] = parts(each.trim().replace(/^(\^|>=)/, ''))
    if (major !== wantedMajor) return each.includes('>=') && major > wantedMajor
    return minor > wantedMinor || (minor === wantedMinor && patch >= wantedPatch)
  })
}

/** npm puts node_modules/.bin first, so the scripts behind us run with this one. */
function checkNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const seen = spawnSync(ownNode, ['--version'], { encoding: 'utf8' })
  const version = (seen.stdout ?? '').trim().replace(/^v/, '')
  if (seen.status === 0 && satisfies(version, engines.node)) return
  const what = `node_modules/.bin/node is not a working Node.js ${engines.node}`
  giveUp(what, seen.error?.message ?? (version || seen.stderr.trim()), `rm -rf node_modules && ${command}`)
}

if (!isInstalled()) {
  const reason = existsSync(modules) ? 'older than package-lock.json or incomplete' : 'missing'
  if (!mayInstall()) giveUp(`node_modules is ${reason}`, '--no-install forbids to install it', command)
  await alone(install)
}
checkNode()
