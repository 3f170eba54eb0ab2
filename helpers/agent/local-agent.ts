import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { agentFiles } from './bundle.ts'
import { AgentClient, type AgentLimits } from './client.ts'
import type { PeerProbe } from './probe-stream.ts'
import { processTransport } from './process-transport.ts'
import type { WireProbe, WireResult } from './protocol.ts'

/** The agent as it runs in a pod, but as processes of this machine: for tests and the benchmark, without a cluster. */

/** A folder with the program, as the ConfigMap mounts it, and one with each "pod" that was started from it. */
export class LocalAgents implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'cni-conformance-agent-'))
  readonly #children: ChildProcess[] = []
  readonly #enter: readonly string[]

  /** @param enter a command that runs the command after it somewhere else, such as in a network namespace */
  constructor(enter: readonly string[] = []) {
    this.#enter = enter
    for (const [name, text] of Object.entries(agentFiles())) writeFileSync(join(this.directory, name), text)
  }

  /** Starts a "pod": a server on a loopback address (undefined: on all) and the given ports, ready when this settles. */
  async pod(name: string, host: string | undefined, ports: LocalPorts, lingerMs?: number): Promise<LocalPod> {
    const env = {
      PATH: process.env['PATH'],
      POD_UID: `uid-${name}`,
      POD_NAME: name,
      POD_NAMESPACE: 'local',
      NODE_NAME: `node-${name}`,
      AGENT_DIR: mkdtempSync(join(this.directory, `${name}-`)),
      UV_THREADPOOL_SIZE: '64',
      AGENT_HOST: host,
      AGENT_HTTP_PORT: String(ports.http),
      AGENT_TCP_PORT: String(ports.tcp),
      AGENT_UDP_PORT: String(ports.udp),
      ...(lingerMs === undefined ? {} : { AGENT_LINGER_MS: String(lingerMs) }),
    }
    return {
      name,
      host: host ?? '127.0.0.1',
      ports,
      server: await this.#serve(env),
      directory: env.AGENT_DIR,
      env,
    }
  }

  /** Starts the server of a "pod" again, as the kubelet does with a container that ended. */
  async restart(pod: LocalPod): Promise<LocalPod> {
    return { ...pod, server: await this.#serve(pod.env) }
  }

  async #serve(env: LocalPod['env']): Promise<ChildProcess> {
    const server = this.#start('serve', env)
    await Promise.race([once(server.stdout, 'data'), failedStart(server)])
    return server
  }

  /** Opens a control stream to a prober in the "pod", as exec would. */
  async client(
    pod: LocalPod,
    env: Record<string, string> = {},
    limits: Partial<AgentLimits> = {},
  ): Promise<LocalClient> {
    const child = this.prober(pod, env)
    return { child, client: await AgentClient.open(processTransport(child), limits) }
  }

  /** Starts a prober in the "pod". */
  prober(pod: LocalPod, env: Record<string, string> = {}): ChildProcess {
    return this.#start('probe', { ...pod.env, ...env })
  }

  /**
   * A listener that is stopped as soon as it listens: nothing there answers, without a packet filter and without
   * root. The kernel still finishes handshakes until `backlog` + 1 wait; after that a SYN gets no answer either.
   *
   * @returns its port
   */
  async stoppedListener(host: string, backlog: number): Promise<number> {
    const listen = `{ port: 0, host: '${host}', backlog: ${backlog} }`
    const program = `require('net').createServer().listen(${listen}, function () { console.log(this.address().port) })`
    const child = this.#spawn(['-e', program], {})
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    child.kill('SIGSTOP')
    return Number(line.toString())
  }

  #start(mode: string, env: Record<string, string | undefined>) {
    return this.#spawn([join(this.directory, 'main.mjs'), mode], env)
  }

  #spawn(args: readonly string[], env: Record<string, string | undefined>) {
    const [command = process.execPath, ...rest] = [...this.#enter, process.execPath, ...args]
    const child = spawn(command, rest, { env, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#children.push(child)
    return child
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const exit = once(child, 'exit')
        child.kill('SIGKILL')
        await exit
      }),
    )
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export interface LocalPorts {
  http: number
  tcp: number
  udp: number
}

export interface LocalPod {
  name: string
  host: string
  ports: LocalPorts
  server: ChildProcess
  /** Its AGENT_DIR. */
  directory: string
  env: Record<string, string | undefined>
}

export interface LocalClient {
  child: ChildProcess
  client: AgentClient
}

async function failedStart(server: ChildProcess): Promise<never> {
  const [code] = (await once(server, 'exit')) as [number | null]
  throw new Error(`the local agent ended with exit code ${code} before it served`)
}

/** A probe that wants its nonce back, with a nonce of its own kind and id. */
export function peerProbe(
  id: number,
  kind: PeerProbe['kind'],
  host: string,
  port: number,
  timeoutMs = 5_000,
): WireProbe {
  const nonce = `${kind === 'datagram' ? 'oneway-' : ''}${kind}-${id}`
  return { id, kind, host, port, nonce, timeoutMs }
}

/**
 * The results in the order of the probes.
 *
 * @throws {Error} when a row is missing
 */
export async function askAll({ client }: LocalClient, probes: readonly WireProbe[]): Promise<WireResult[]> {
  const { results, complete, fault } = await client.runPlan(probes)
  if (!complete) throw new Error(`rows are missing: ${fault}`)
  return probes.flatMap(({ id }) => results.get(id) ?? [])
}

/** Ports that were free on an address a moment ago, by TCP and most likely by UDP. */
export async function freePorts(host: string): Promise<LocalPorts> {
  const free = async (): Promise<number> => {
    const server = createServer().listen(0, host)
    await once(server, 'listening')
    const address = server.address()
    server.close()
    return address !== null && typeof address === 'object' ? address.port : 0
  }
  const [http, tcp] = [await free(), await free()]
  return { http, tcp, udp: tcp }
}
