import type {
  KubernetesObject,
  V1EndpointSlice,
  V1Service,
  V1ServicePort,
  V1ServiceSpec,
} from '@kubernetes/client-node'
import { awaitUntil } from '../../helpers/await.ts'
import { budgets } from '../../helpers/budgets.ts'
import { handMadeTarget, largeAddresses, type FixtureServiceName } from '../../helpers/fixture-services.ts'
import { isNotFound } from '../../helpers/kube.ts'
import type { Session } from '../../helpers/session.ts'
import { serviceChecks } from '../service.checks.ts'
import type { Fault, FaultContext } from './fault.ts'

/**
 * What a proxy or a DNS server does that ignores a field: the field of a Service says something else, and the checks go
 * on to want what was declared. So they are seen red on every CNI and with every proxy.
 */

/** The fields of an object, without the class that the client gives it. */
type Fields<Of> = Pick<Of, keyof Of>
type Spec = Fields<V1ServiceSpec>

type About = Pick<Fault, 'id' | 'breaks' | 'red' | 'either' | 'needs'>

/** A fault of fixture Services: applied with another spec, and healed by applying them as they were. */
function serviceChanged(about: About, names: readonly string[], changed: (spec: Spec) => Spec): Fault {
  const found = ({ fixtures }: FaultContext): V1Service[] =>
    fixtures.filter(isService).filter(({ metadata }) => names.includes(metadata?.name ?? ''))
  return {
    ...about,
    outcome: 'failed',
    when: 'before-run',
    inject: (context) =>
      context.kube.apply(
        found(context).map((service: Fields<V1Service>) => ({
          ...service,
          spec: changed(service.spec ?? {}),
        })),
      ),
    vacuous: async (context) =>
      found(context).length === names.length ? undefined : `no fixture Services ${names.join(', ')}`,
    heal: (context) => context.kube.apply(found(context)),
  }
}

const isService = (object: KubernetesObject): object is V1Service => object.kind === 'Service'

/** discard (RFC 863): nobody listens there in a fixture pod. */
const closedPort = 9

/** Other fields of every port of a Service. */
const withPorts =
  (changed: (port: Fields<V1ServicePort>) => Partial<V1ServicePort>) =>
  (spec: Spec): Spec => ({
    ...spec,
    ports: (spec.ports ?? []).map((port: Fields<V1ServicePort>) => ({ ...port, ...changed(port) })),
  })

const portsAstray = withPorts(() => ({ targetPort: closedPort }))

/** Leaves fields out, which then have their defaults. */
const without =
  (...fields: readonly (keyof V1ServiceSpec)[]) =>
  (spec: Spec): Spec =>
    Object.fromEntries(
      Object.entries(spec).filter(([field]) => !fields.includes(field as keyof V1ServiceSpec)),
    )

const fieldFaults: readonly Fault[] = [
  serviceChanged(
    {
      id: 'named-ports-astray',
      breaks: 'A Service with named target ports leads to a port that nobody listens on.',
      red: () => ['service/named-target-ports'],
    },
    ['echo-named'],
    portsAstray,
  ),
  serviceChanged(
    {
      id: 'node-ports-astray',
      breaks: 'The node ports lead to a port that nobody listens on.',
      red: () => ['service/node-port/**', 'service/external-traffic-policy/no-endpoint/*'],
    },
    ['echo-node-port'],
    portsAstray,
  ),
  serviceChanged(
    {
      id: 'own-service-astray',
      breaks: 'The Services of single pods lead to a port that nobody listens on.',
      red: () => ['service/hairpin/*'],
    },
    ['worker1-a', 'worker2-a'],
    portsAstray,
  ),
  serviceChanged(
    {
      id: 'affinity-ignored',
      breaks: 'A Service that must keep a client with its endpoint does not.',
      red: () => ['service/session-affinity'],
    },
    ['echo-sticky'],
    without('sessionAffinity', 'sessionAffinityConfig'),
  ),
  serviceChanged(
    {
      id: 'traffic-policy-ignored',
      breaks: "A Service that must stay on the client's node leads to other nodes, too.",
      red: () => ['service/internal-traffic-policy'],
    },
    ['echo-node-local'],
    without('internalTrafficPolicy'),
  ),
  serviceChanged(
    {
      id: 'external-traffic-policy-ignored',
      breaks: 'A Service that must stay on the node that is asked from outside leads to other nodes, too.',
      red: () => ['service/external-traffic-policy/**'],
    },
    ['echo-external-local'],
    without('externalTrafficPolicy'),
  ),
  serviceChanged(
    {
      id: 'backends-unbalanced',
      breaks: 'Every connection of a client goes to one endpoint, although nobody asked for that.',
      red: () => ['service/cluster-ip/**', 'service/spread'],
    },
    ['echo'],
    (spec) => ({ ...spec, sessionAffinity: 'ClientIP' }),
  ),
  serviceChanged(
    {
      id: 'alias-astray',
      breaks: 'An ExternalName Service stands for a name that does not exist.',
      red: () => ['service/external-name', 'dns/*/alias-*'],
    },
    ['echo-alias'],
    // Reserved by RFC 2606: never a name of anybody.
    (spec) => ({ ...spec, externalName: 'nowhere.invalid' }),
  ),
  serviceChanged(
    {
      id: 'headless-astray',
      breaks: 'A headless Service selects no pod.',
      red: () => [
        'service/headless',
        'service/endpoint-slices',
        'dns/*/{headless,headless-srv,hostname}-{udp,tcp}',
      ],
    },
    ['echo-headless'],
    (spec) => ({ ...spec, selector: { app: 'nobody' } }),
  ),
  serviceChanged(
    {
      id: 'port-renamed',
      breaks: 'The http port of two Services has another name.',
      red: () => ['dns/*/{srv,headless-srv}-{udp,tcp}'],
      // Endpoints are found by the name of their port: until the proxy has followed, it refuses connections.
      either: [
        'service/{cluster-ip,name}/**',
        'service/{same-port,spread,external-name}',
        'coverage/every-node/cluster-ip',
      ],
    },
    ['echo', 'echo-headless'],
    withPorts(({ name }) => (name === 'http' ? { name: 'web' } : {})),
  ),
]

/** Changes the endpoints that an EndpointSlice holds. */
async function setEndpoints(
  { kube, world }: FaultContext,
  name: string,
  addresses: readonly string[],
): Promise<void> {
  const target = { name, namespace: world.namespaces.main }
  const body = await kube.discovery.readNamespacedEndpointSlice(target)
  body.endpoints = addresses.map((each) => ({ addresses: [each] }))
  await kube.discovery.replaceNamespacedEndpointSlice({ ...target, body })
}

function sliceChanged(
  about: About,
  service: FixtureServiceName,
  ends: (context: FaultContext) => { right: readonly string[]; wrong: readonly string[] },
): Fault {
  return {
    ...about,
    outcome: 'failed',
    when: 'before-run',
    inject: (context) => setEndpoints(context, service, ends(context).wrong),
    vacuous: async () => undefined,
    heal: (context) => setEndpoints(context, service, ends(context).right),
  }
}

const addressOf = ({ world }: FaultContext, name: string): string =>
  world.pods.find((pod) => pod.name === name)?.ip ?? ''

const sliceFaults: readonly Fault[] = [
  sliceChanged(
    {
      id: 'hand-made-astray',
      breaks: 'A Service without a selector leads to another pod than its EndpointSlice should name.',
      red: () => ['service/without-selector'],
    },
    'echo-by-hand',
    (context) => ({ right: [addressOf(context, handMadeTarget)], wrong: [addressOf(context, 'worker2-b')] }),
  ),
  sliceChanged(
    {
      id: 'records-missing',
      breaks: 'Of the many addresses of a headless Service all but two are gone.',
      red: () => ['dns/*/large-*'],
    },
    'echo-large',
    () => ({ right: largeAddresses, wrong: largeAddresses.slice(0, 2) }),
  ),
]

const stale = { name: 'echo-stale', namespace: '' }

/** Who serves Services takes a moment: checks that are asked before it is over see what was. */
async function noticedEverywhere(session: Session): Promise<void> {
  const watched = serviceChecks.filter(({ id }) => id === 'service/cluster-ip/tcp')
  await awaitUntil(
    async () => {
      const observations = (await session.run(watched)).flatMap((outcome) => outcome.observations)
      const right = observations.filter(({ verdict, expected }) => verdict === expected)
      return right.length === 0
        ? { done: true, value: undefined }
        : {
            done: false,
            seen: right.map(({ probe }) => `${probe}: answered by those that are alive`).join('; '),
          }
    },
    {
      what: 'the stale endpoint to be noticed on every node',
      budget: budgets.faultMs,
      next: 'look into the logs of who serves Services there',
      everyMs: 200,
    },
  )
}

const endpointStale: Fault = {
  id: 'endpoint-stale',
  breaks: 'A Service has an endpoint that no pod stands behind any more.',
  red: () => ['service/endpoint-slices', 'service/cluster-ip/**', 'service/spread'],
  // 16 connections each: one in a hundred times none of them meets the fifth endpoint.
  either: ['service/{same-port,external-name}', 'service/name/*', 'coverage/every-node/cluster-ip'],
  outcome: 'failed',
  when: 'before-run',
  async inject({ kube, world, session }) {
    const namespace = world.namespaces.main
    const { items } = await kube.discovery.listNamespacedEndpointSlice({
      namespace,
      labelSelector: 'kubernetes.io/service-name=echo',
    })
    const [model] = items
    if (model === undefined) throw new Error('echo has no EndpointSlice')
    const { addressType, ports } = model
    await kube.apply([
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { ...stale, namespace, labels: { 'kubernetes.io/service-name': 'echo' } },
        addressType,
        ports,
        endpoints: [{ addresses: [largeAddresses[0] ?? ''] }],
      } as V1EndpointSlice,
    ])
    await noticedEverywhere(session)
  },
  vacuous: async () => undefined,
  async heal({ kube, world }) {
    const target = { ...stale, namespace: world.namespaces.main }
    await kube.discovery.deleteNamespacedEndpointSlice(target).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
  },
}

/** The bridge of Flannel's pods, whose ports send nothing back to where it came from unless they are told to. */
async function setHairpin({ runOnNode, workers }: FaultContext, state: 'on' | 'off'): Promise<void> {
  for (const node of workers) {
    const ports = (await runOnNode(node, ['ls', '/sys/class/net/cni0/brif'])).split(/\s+/).filter(Boolean)
    for (const port of ports) await runOnNode(node, ['bridge', 'link', 'set', 'dev', port, 'hairpin', state])
  }
}

const hairpinOff: Fault = {
  id: 'hairpin-off',
  breaks: "The ports of the pods' bridge send nothing back to where it came from, on both workers.",
  needs: { cnis: ['flannel'] },
  red: () => ['service/hairpin/*', 'service/{cluster-ip/*,spread,internal-traffic-policy}'],
  // Only connections that come back to the pod itself are lost, and a SYN that is lost is sent again to anybody.
  either: [
    'service/{node-port/*,name/*,named-target-ports,same-port,external-name,session-affinity}',
    'coverage/every-node/cluster-ip',
  ],
  outcome: 'failed',
  when: 'before-run',
  inject: (context) => setHairpin(context, 'off'),
  vacuous: async () => undefined,
  heal: (context) => setHairpin(context, 'on'),
}

/** Faults of Services and of the records that are made from them. */
export const serviceFaults: readonly Fault[] = [...fieldFaults, ...sliceFaults, endpointStale, hairpinOff]
