import type { LookProbe } from '../check-probes.ts'
import type { End, Observation } from '../observation.ts'
import { wrong, type Judgement } from '../inspect.ts'
import { judgeRead } from './node-inspect.ts'
import type { Look, Looks } from './node-looks.ts'
import type { World, WorldNode } from '../world.ts'

/**
 * What the nodes show, and the verdicts on it. Pure. As everywhere a verdict needs positive evidence: what could not be
 * read is `unknown`.
 */

/** One thing that was looked at, its two ends, and what is wrong with it; undefined when nothing is. */
interface Seen {
  what: string
  from: End
  to: End
  problem: Judgement | undefined
}

/** All observations of one probe: one for each node, pair of nodes or workload. */
export function observeLooks(probe: LookProbe, looks: Looks, world: World): Observation[] {
  const seen =
    probe.on === 'cluster'
      ? workloads(looks)
      : nodesOf(probe.on, world).flatMap((node) => lookAtNode(probe, node, looks, world))
  return seen.map(({ what, from, to, problem }) => ({
    probe: what,
    from,
    to,
    via: 'node',
    protocol: 'none',
    expected: probe.expect,
    verdict: problem?.verdict ?? 'reached',
    attempts: 1,
    asked: 1,
    answered: problem?.verdict === 'unknown' ? 0 : 1,
    peers: [],
    ...(problem?.detail === undefined ? {} : { detail: problem.detail }),
  }))
}

function nodesOf(on: Exclude<LookProbe['on'], 'cluster'>, { nodes }: World): readonly WorldNode[] {
  if (on === 'every-node') return nodes
  const workers = nodes.filter(({ role }) => role === 'worker')
  return workers.slice(on === 'worker1' ? 0 : 1).slice(0, 1)
}

const endOf = ({ name, address }: WorldNode): End => ({ name, node: name, address })

function lookAtNode({ look: what }: LookProbe, node: WorldNode, looks: Looks, world: World): Seen[] {
  const end = endOf(node)
  const look = looks.nodes.get(node.name)
  if (look === undefined) {
    const detail = `nobody looked at ${node.name}`
    return [{ what: `${what} on ${node.name}`, from: end, to: end, problem: { verdict: 'unknown', detail } }]
  }
  if (what === 'other-nodes') return otherNodes(node, look, world)
  return [
    { what: `${what} on ${node.name}`, from: end, to: end, problem: problemOf(what, node, look, looks) },
  ]
}

function problemOf(
  what: LookProbe['look'],
  { name }: WorldNode,
  { cni, facts }: Look,
  looks: Looks,
): Judgement | undefined {
  const { declared } = looks
  const differs = (title: string, seen: string, wanted: string): Judgement | undefined =>
    seen === wanted ? undefined : wrong(`${title} is ${seen}, declared is ${wanted}`)
  switch (what) {
    case 'cni-agent':
      return (
        missingAgent(name, looks) ??
        judgeRead(cni.health, ({ ok, says }) => (ok ? undefined : wrong(`the agent is not well: ${says}`)))
      )
    case 'cni-version':
      return judgeRead(cni.version, (version) =>
        differs('the version of the agent', version, declared.version),
      )
    case 'encapsulation':
      return judgeRead(cni.encapsulation, (mode) =>
        differs('the encapsulation', mode, declared.encapsulation),
      )
    case 'kube-proxy':
      return (
        judgeRead(facts.kubeProxy, (mode) => differs('the mode of kube-proxy', mode, declared.kubeProxy)) ??
        (declared.kubeProxy === 'none' ? judgeRead(cni.servesServices, (says) => servedBy(says)) : undefined)
      )
    case 'cni-workloads':
    case 'other-nodes':
      return { verdict: 'unknown', detail: `${what} is not asked of one node` }
  }
}

const servedBy = (says: string | undefined): Judgement | undefined =>
  says === undefined ? wrong('there is no kube-proxy, and nobody serves Services in its place') : undefined

/** Every node has one agent. */
function missingAgent(node: string, { agents }: Looks): Judgement | undefined {
  return judgeRead(agents, (all) => {
    const own = all.filter((agent) => agent.node === node)
    return own.length === 1
      ? undefined
      : wrong(
          `${node} has ${own.length === 0 ? 'no agent' : `${own.length} agents: ${own.map(({ name }) => name).join(', ')}`}`,
        )
  })
}

/** One observation for each of the other nodes, whether it is on the list or not. */
function otherNodes(node: WorldNode, { cni }: Look, { nodes }: World): Seen[] {
  return nodes
    .filter(({ name }) => name !== node.name)
    .map((other) => ({
      what: `${node.name} knows ${other.name}`,
      from: endOf(node),
      to: endOf(other),
      problem: judgeRead(cni.others, (all) => {
        const missing = all.find(({ name }) => name === other.name)?.missing ?? ['it knows nothing of it']
        return missing.length === 0 ? undefined : wrong(missing.join('; '))
      }),
    }))
}

/** Each of them must want pods, and have as many that are ready. */
function workloads({ workloads }: Looks): Seen[] {
  return workloads.map(({ workload: { kind, namespace, name }, pods }) => {
    const end = { name: `${namespace}/${name}` }
    return {
      what: `${kind} ${namespace}/${name}`,
      from: end,
      to: end,
      problem: judgeRead(pods, ({ ready, wanted }) =>
        wanted > 0 && ready === wanted ? undefined : wrong(`it wants ${wanted} pods and has ${ready} ready`),
      ),
    }
  })
}
