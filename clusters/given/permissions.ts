/**
 * Everything that a run may ask of a cluster that is not ours, in one table: `rbac` prints a role from it, and the
 * connection holds back every request that it does not cover, whatever the user's own rights are. No line is about
 * Secrets.
 */

/** Verbs of https://kubernetes.io/docs/reference/access-authn-authz/authorization/#request-verb-resource */
type Verb = 'get' | 'list' | 'watch' | 'create' | 'patch' | 'delete' | 'deletecollection'

/** Where a permission is needed: all over the cluster, in both fixture namespaces, or in the namespace of that name. */
export type Scope = 'cluster' | 'fixtures' | 'kube-system' | 'default'

/** One line of the table. */
export interface Permission {
  scope: Scope
  /** API group; empty for the core one. */
  group: string
  /** Plural, with its subresource. */
  resource: string
  verbs: readonly Verb[]
  /** Only objects of these names. */
  names?: readonly string[]
  /** Completes "It ...". */
  why: string
}

/** Whose namespaces the fixtures live in: those that each run makes, or two that are there already. */
export type Housing = 'own' | 'borrowed'

const everywhere: readonly Permission[] = [
  {
    scope: 'cluster',
    group: '',
    resource: 'nodes',
    verbs: ['list'],
    why: 'chooses nodes and compares where pods run',
  },
  {
    scope: 'cluster',
    group: '',
    resource: 'pods',
    verbs: ['list', 'watch'],
    why: 'proves that no two pods of the cluster have one address, finds the DNS servers, and waits for its own pods',
  },
  {
    scope: 'kube-system',
    group: '',
    resource: 'services',
    verbs: ['get'],
    names: ['kube-dns'],
    why: "compares DNS with the cluster's DNS Service",
  },
  {
    scope: 'default',
    group: '',
    resource: 'services',
    verbs: ['get'],
    names: ['kubernetes'],
    why: 'knows where pods reach the API server',
  },
]

const ownNamespaces: Permission = {
  scope: 'cluster',
  group: '',
  resource: 'namespaces',
  verbs: ['create', 'patch', 'list', 'watch', 'delete'],
  why: 'makes two namespaces for each run, and deletes them and those that have expired',
}

const inFixtures: readonly Permission[] = [
  {
    scope: 'fixtures',
    group: '',
    resource: 'pods',
    verbs: ['create', 'patch', 'get', 'list', 'delete', 'deletecollection'],
    why: 'runs the fixture pods',
  },
  {
    scope: 'fixtures',
    group: '',
    resource: 'pods/exec',
    // Opened by GET; since Kubernetes 1.35 the API server asks for create as well.
    verbs: ['get', 'create'],
    why: 'speaks with the agents in its own pods',
  },
  {
    scope: 'fixtures',
    group: '',
    resource: 'pods/log',
    verbs: ['get'],
    why: 'reads what a pod saw that asks from its first moment',
  },
  {
    scope: 'fixtures',
    group: '',
    resource: 'services',
    verbs: ['create', 'patch', 'list', 'delete'],
    why: 'makes Services in front of its pods',
  },
  {
    scope: 'fixtures',
    group: '',
    resource: 'configmaps',
    verbs: ['create', 'patch', 'get', 'list', 'delete'],
    why: "brings the agent into its pods, and reads the certificate of the cluster's authority",
  },
  {
    scope: 'fixtures',
    group: '',
    resource: 'events',
    verbs: ['list'],
    why: 'reads why a pod does not start',
  },
  {
    scope: 'fixtures',
    group: 'networking.k8s.io',
    resource: 'networkpolicies',
    verbs: ['create', 'patch', 'list', 'delete'],
    why: 'applies the policies under test, and looks for those of others',
  },
  {
    scope: 'fixtures',
    group: 'discovery.k8s.io',
    resource: 'endpointslices',
    verbs: ['create', 'patch', 'list', 'delete'],
    why: 'compares the endpoints of its Services, and makes those of Services without a selector',
  },
]

/** The table of a run. */
export const permissionsFor = (housing: Housing): readonly Permission[] => [
  ...everywhere,
  ...(housing === 'own' ? [ownNamespaces] : []),
  ...inFixtures,
]

/** A request as the API server's authorization sees it. */
export interface ApiRequest {
  verb: string
  group: string
  resource: string
  namespace?: string
  name?: string
}

const withName: Readonly<Record<string, string>> = {
  GET: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}
const withoutName: Readonly<Record<string, string>> = {
  GET: 'list',
  POST: 'create',
  DELETE: 'deletecollection',
}

/**
 * What a request is about; undefined for one that is about no resource, such as the version and the discovery of the
 * API, which every user may see. Pure.
 *
 * @param server as the kubeconfig names it: a proxy such as Rancher's has a path in front of the API's own
 */
export function requestOf(method: string, url: string, server: string): ApiRequest | undefined {
  const { pathname, searchParams } = new URL(url)
  const segments = (path: string): string[] => path.split('/').filter((part) => part !== '')
  const [root, ...parts] = segments(pathname).slice(segments(new URL(server).pathname).length)
  // Below /api/v1, and below /apis/<group>/<version>.
  const [group, rest] = root === 'apis' ? [parts[0] ?? '', parts.slice(2)] : ['', parts.slice(1)]
  const inside = rest[0] === 'namespaces' && rest.length > 2
  const [resource = '', name, ...sub] = inside ? rest.slice(2) : rest
  if (resource === '') return undefined
  const watches = searchParams.get('watch') === 'true'
  const verb = watches ? 'watch' : ((name === undefined ? withoutName : withName)[method] ?? method)
  return {
    verb,
    group,
    resource: [resource, ...sub].join('/'),
    ...(inside ? { namespace: decodeURIComponent(rest[1] ?? '') } : {}),
    ...(name === undefined ? {} : { name: decodeURIComponent(name) }),
  }
}

/** Does the table cover this request? Pure. */
export const covers = (
  table: readonly Permission[],
  fixtures: readonly string[],
  { verb, group, resource, namespace, name }: ApiRequest,
): boolean =>
  table.some(
    (each) =>
      each.group === group &&
      each.resource === resource &&
      each.verbs.some((allowed) => allowed === verb) &&
      (each.scope === 'cluster' ||
        (each.scope === 'fixtures'
          ? namespace !== undefined && fixtures.includes(namespace)
          : namespace === each.scope)) &&
      (each.names === undefined || (name !== undefined && each.names.includes(name))),
  )

/**
 * Holds back what the table does not cover: a bug of ours must not do with an administrator's rights what the printed
 * role would not allow.
 *
 * @throws {Error} naming the request
 */
export function guardOf(
  table: readonly Permission[],
  fixtures: readonly string[],
  server: string,
): (method: string, url: string) => void {
  return (method, url) => {
    const request = requestOf(method, url, server)
    if (request === undefined || covers(table, fixtures, request)) return
    const { verb, resource, namespace, name } = request
    const where = namespace === undefined ? '' : ` in ${namespace}`
    throw new Error(
      `${verb} ${resource} ${name ?? ''}${where} was held back: the role that \`rbac\` prints does not have it`,
    )
  }
}
