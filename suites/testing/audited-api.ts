import { dump, load } from 'js-yaml'
import { z } from 'zod'
import { budgets } from '../../helpers/budgets.ts'
import { run } from '../../helpers/exec.ts'

/**
 * A second API server beside that of one of our own clusters, over the same data, which keeps an audit log of one user:
 * the first one cannot be told so without being away for half a minute.
 */

const name = 'kube-apiserver-audited'
const port = 6444
/** Folder of the policy and the log, on the node and in the pod. */
const folder = '/var/lib/kube-apiserver-audit'
const manifest = (file: string): string => `/etc/kubernetes/manifests/${file}.yaml`

/** What the API server wrote down of one request. */
const eventSchema = z.looseObject({
  verb: z.string(),
  requestURI: z.string(),
  user: z.looseObject({ username: z.string() }),
  /** Absent where a request is about no resource. */
  objectRef: z
    .looseObject({
      resource: z.string(),
      subresource: z.string().optional(),
      apiGroup: z.string().default(''),
      namespace: z.string().optional(),
      name: z.string().optional(),
    })
    .optional(),
  annotations: z.looseObject({ 'authorization.k8s.io/decision': z.string() }),
})
export type AuditEvent = z.infer<typeof eventSchema>

const podSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    containers: z.tuple([
      z.looseObject({
        command: z.array(z.string()),
        volumeMounts: z.array(z.unknown()),
        image: z.string(),
      }),
    ]),
    volumes: z.array(z.unknown()),
  }),
})

/** As a pod of the node: its manifest with another port, the policy and a log. */
function auditedPod(text: string): string {
  const { spec, ...pod } = podSchema.parse(load(text))
  const [{ command, volumeMounts, image }] = spec.containers
  const own = /^--(secure-port|endpoint-reconciler-type|audit-.*)=/
  const added = [
    `--secure-port=${port}`,
    // The Service "kubernetes" must not lead here.
    '--endpoint-reconciler-type=none',
    `--audit-policy-file=${folder}/policy.yaml`,
    `--audit-log-path=${folder}/audit.log`,
    '--audit-log-mode=blocking',
  ]
  const container = {
    name,
    image,
    imagePullPolicy: 'IfNotPresent',
    command: [...command.filter((flag) => !own.test(flag)), ...added],
    volumeMounts: [...volumeMounts, { name: 'audit', mountPath: folder }],
  }
  return dump({
    ...pod,
    metadata: { name, namespace: 'kube-system' },
    spec: {
      ...spec,
      containers: [container],
      volumes: [...spec.volumes, { name: 'audit', hostPath: { path: folder } }],
    },
  })
}

const policyOf = (user: string): string =>
  dump({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [{ level: 'Metadata', users: [user] }, { level: 'None' }],
  })

const onNode = async (node: string, argv: readonly string[], input = ''): Promise<string> =>
  (await run(['docker', 'exec', '-i', node, ...argv], { input, timeoutMs: budgets.nodeCommandMs.ms })).stdout

/** The API server with the log. */
export interface AuditedApi {
  /** https://address:port; it answers some seconds later, with the certificate of the first one. */
  server: string
  /** What it wrote down, once for each request that is over. */
  events(): Promise<AuditEvent[]>
  stop(): Promise<void>
}

/**
 * Starts it.
 *
 * @param node the control plane
 * @param user whose requests are written down: "system:serviceaccount:namespace:name"
 */
export async function startAuditedApi(
  node: { name: string; address: string },
  user: string,
): Promise<AuditedApi> {
  await onNode(node.name, ['mkdir', '-p', folder])
  await onNode(node.name, ['tee', `${folder}/policy.yaml`], policyOf(user))
  const pod = auditedPod(await onNode(node.name, ['cat', manifest('kube-apiserver')]))
  await onNode(node.name, ['tee', manifest(name)], pod)
  return {
    server: `https://${node.address}:${port}`,
    async events() {
      const lines = (await onNode(node.name, ['cat', `${folder}/audit.log`])).split('\n')
      const read = lines.filter((line) => line !== '').map((line) => eventSchema.parse(JSON.parse(line)))
      // A stream is written down when it begins and when it ends.
      const begun = new Set(['ResponseStarted'])
      return read.filter(({ stage }) => !begun.has(String(stage)))
    },
    async stop() {
      await onNode(node.name, ['rm', '-f', manifest(name)])
    },
  }
}
