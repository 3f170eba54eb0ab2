import { writeFileSync } from 'node:fs'
import { askFirst, type FirstPlan } from './first-packets.ts'
import { encodeLine, LineReader } from './frames.ts'
import { readSelf, receiptsSocket, serverPidFile } from './identity.ts'
import { control, linger, lingerOptions } from './linger.ts'
import { Prober, socketCap, type FrameBody } from './prober.ts'
import { agentPorts, protocolVersion, toolsPorts, type Command } from './protocol.ts'
import { shortenLookups } from './resolve.ts'
import { startServers } from './server.ts'
import { watchStalls } from './stalls.ts'

/**
 * The program in the pods. `serve` is the container's main process; `probe` is started by the runner over exec, takes
 * commands on stdin and writes frames on stdout. `first` asks alone and prints what it saw. Runs on any Node.js >= 22.2 (zlib.crc32), needs no files of its own.
 */

/** The runner takes a stream for dead after several of these. */
const beatMs = 1_000

const port = (name: string, standard: number): number => Number(process.env[name] ?? standard)
const self = readSelf(process.env)

async function serve(): Promise<void> {
  // As process 1 of its container it has no default handlers: without these a deletion would take its whole grace period.
  const end = (): void => process.exit(0)
  const lingering = lingerOptions(process.env)
  process.on('SIGINT', end)
  process.once('SIGTERM', lingering === undefined ? end : () => linger(lingering, end))
  await startServers(self, {
    host: process.env['AGENT_HOST'],
    ports: {
      http: port('AGENT_HTTP_PORT', agentPorts.http),
      tcp: port('AGENT_TCP_PORT', agentPorts.tcp),
      udp: port('AGENT_UDP_PORT', agentPorts.udp),
    },
    receiptsSocket: receiptsSocket(process.env),
  })
  const directory = process.env['AGENT_DIR']
  if (directory !== undefined) writeFileSync(serverPidFile(directory), String(process.pid))
  // A server that goes away looks like a network that drops; a bug in the log does not.
  process.on('uncaughtException', (error) => console.error('server:', error))
  console.log(`serving as ${self.pod} (${self.podUid}) on ${self.node}`)
}

/** Numbers, sums and writes frames. */
function frameWriter(): (frame: FrameBody) => void {
  let seq = 0
  // Nobody reads any more: the exec stream is gone.
  process.stdout.on('error', () => process.exit(0))
  return (frame) => void process.stdout.write(encodeLine({ seq: seq++, ...frame }))
}

function probe(): void {
  const lingering = lingerOptions(process.env)
  if (lingering !== undefined) control(lingering)
  shortenLookups(process.env)
  watchStalls()
  const send = frameWriter()
  const sockets = socketCap()
  const options = {
    self,
    directory: process.env['AGENT_DIR'],
    receiptsSocket: receiptsSocket(process.env),
    dnsPort: port('AGENT_DNS_PORT', 53),
    toolsPort: port('AGENT_TOOLS_PORT', toolsPorts.http),
    sockets: Math.min(sockets, port('AGENT_SOCKETS', sockets)),
  }
  const prober = new Prober(options, send)
  const commands = new LineReader()
  const exitWith = (code: number): void => void process.stdout.write('', () => process.exit(code))
  process.stdin.on('data', (chunk: Buffer) => {
    const { values, fault } = commands.read(chunk)
    for (const command of values as Command[]) {
      if (command.type === 'end') exitWith(0)
      else if (command.type === 'plan') void prober.run(command.batch, command.probes)
    }
    if (fault === undefined) return
    send({ type: 'error', message: `the command stream is broken: ${fault}` })
    exitWith(1)
  })
  // The runner is gone; whatever still runs would be for nobody.
  process.stdin.on('end', () => process.exit(0))
  process.stdin.on('error', () => process.exit(0))
  send({ type: 'hello', ...self, version: protocolVersion, sockets: options.sockets })
  setInterval(() => send({ type: 'beat' }), beatMs)
}

/** `first`: the main process of a pod that asks from its first moment and then ends. */
async function first(plan: string): Promise<void> {
  console.log(JSON.stringify(await askFirst(JSON.parse(plan) as FirstPlan, self.podUid)))
}

const [mode, argument = ''] = process.argv.slice(2)
if (mode === 'serve') await serve()
else if (mode === 'probe') probe()
else if (mode === 'first') await first(argument)
else {
  console.error('usage: main.mjs serve | probe | first <plan>')
  process.exitCode = 2
}
