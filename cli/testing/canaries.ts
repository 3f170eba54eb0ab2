import { randomBytes } from 'node:crypto'

/** Secrets in the places where a cluster has them, each of them another one, so that a leak names its place. */

/** Where a canary sits. */
type Place = 'log' | 'event' | 'object' | 'node' | 'program' | 'observation' | 'failure'

/** One secret and the text around it. */
export interface Canary {
  place: Place
  secret: string
  text: string
}

const secretOf = (index: number): string => `Kanari3n${index}${randomBytes(9).toString('hex')}`

/** Ways in which a secret stands in text; `%` is the secret. */
const shapes: readonly (readonly [place: Place, shape: string])[] = [
  ['log', 'password=% accepted'],
  ['log', 'connecting with passwd: % to the store'],
  ['log', '{"level":"info","db_password":"%","n":1}'],
  ['log', String.raw`msg="reload" config="{\"apiKey\":\"%\",\"a\":1}"`],
  ['log', 'Authorization: Bearer %'],
  ['log', 'authorization: Basic %=='],
  ['log', 'GET /v1/list?access_token=%&limit=5 200'],
  ['log', 'dial postgres://app:%@db.prod:5432/orders failed'],
  ['log', 'started as /bin/agent --token % --v=4'],
  ['log', 'started as /bin/agent --client-secret=% --v=4'],
  ['log', 'export AWS_SECRET_ACCESS_KEY=%'],
  ['log', 'Set-Cookie: session=%; Path=/'],
  ['log', `eyJhbGciOiJSUzI1NiJ9.%.c2lnbmF0dXJl`],
  ['log', 'ghp_%'],
  ['log', 'glpat-%'],
  ['log', '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n%\n-----END RSA PRIVATE KEY-----'],
  ['log', '-----BEGIN EC PRIVATE KEY-----\n%'],
  ['log', 'wireguard psk = %'],
  ['event', 'Failed to pull image: unauthorized for https://robot:%@registry.example'],
  ['event', 'Liveness probe failed: HTTP 401 with x-api-key: %'],
  ['event', 'Error: exec: "/app --password %": no such file'],
  ['event', 'environment variable DB_PASSWORD=% is not allowed'],
  ['node', 'users:\n- name: admin\n  user:\n    client-key-data: %\n'],
  ['node', 'users:\n- name: admin\n  user:\n    token: %\n'],
  ['node', 'kubeadm join 10.0.0.1:6443 --token % --discovery-token-unsafe-skip-ca-verification'],
  ['node', 'ExecStart=/usr/bin/kubelet --bootstrap-token=%'],
  ['node', '# comment "secret: %"'],
  ['program', 'KVStore: etcd password: %'],
  ['program', '{"credentials":"%"}'],
  ['program', 'passphrase="%"'],
  ['program', 'client_secret: |\n  %\n  %\n'],
  ['program', '- name: VAULT_TOKEN\n  value: %\n'],
  ['program', '{"name":"VAULT_TOKEN","value":"%"}'],
  ['observation', `an answer that is not the agent's (no identity: "{\\"token\\":\\"%\\"}")`],
  ['observation', 'HTTP 500: "password=%"'],
  ['observation', 'refused at connect (https://u:%@10.0.0.1)'],
  ['failure', 'docker login --username robot --password % registry.example: denied'],
  ['failure', 'error: Authorization: Bearer % was refused'],
  ['failure', 'helm: values: secretKey: %'],
  ['failure', 'could not clone https://oauth2:%@git.example/x'],
]

/** Fields of an object; the secret is the whole value, so that only its place tells that it is one. */
const objectPlaces = 12

/** Every canary, and the objects of the CNI's own kind that carry some of them. */
export function plantCanaries(): { canaries: Canary[]; objects: unknown[] } {
  const inText = shapes.map(([place, shape], index) => {
    const secret = secretOf(index)
    return { place, secret, text: shape.replaceAll('%', secret) }
  })
  const inObjects = Array.from({ length: objectPlaces }, (_, index): Canary => {
    const secret = secretOf(inText.length + index)
    return { place: 'object', secret, text: secret }
  })
  return { canaries: [...inText, ...inObjects], objects: objectsWith(inObjects.map(({ secret }) => secret)) }
}

function objectsWith([env = '', init = '', applied = '', ...rest]: readonly string[]): unknown[] {
  const [
    annotation = '',
    field = '',
    url = '',
    nested = '',
    list = '',
    block = '',
    managed = '',
    argv = '',
    json = '',
  ] = rest
  return [
    {
      apiVersion: 'example.org/v1',
      kind: 'Thing',
      metadata: {
        name: 'thing',
        annotations: {
          'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ data: { plain: applied } }),
          'example.org/db-password': annotation,
          'example.org/json': JSON.stringify({ config: { api_key: json } }),
        },
        managedFields: [{ manager: managed }],
      },
      spec: {
        token: field,
        endpoint: `etcd://root:${url}@10.0.0.1:2379`,
        auth: { clientSecret: nested },
        script: `export X=1\nTOKEN=${block}\n`,
        args: ['--verbose', `--password=${argv}`],
        pod: {
          containers: [
            {
              name: 'a',
              env: [
                { name: 'PLAIN_NAME', value: env },
                { name: 'NODE', valueFrom: {} },
              ],
            },
          ],
          initContainers: [{ name: 'b', env: [{ name: 'OTHER', value: init }] }],
        },
      },
    },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, data: { plain: list } },
  ]
}
