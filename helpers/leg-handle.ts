import { readFile, writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import picomatch from 'picomatch'
import { z } from 'zod'
import { verdictSchema } from './check-probes.ts'
import { fixtureObjects } from './fixture-objects.ts'
import { connectKube } from './kube.ts'
import type { LookedAt } from './looks/network-look.ts'
import type { NodeAccess } from './looks/node-looks.ts'
import { runOnKindNode } from './nodes.ts'
import { Session, type SessionOptions } from './session.ts'
import type { Declared } from './outcome.ts'

/** File in a leg's folder through which another process finds the running cluster and its fixtures. */
export const legHandleFile = 'leg.json'

export const legHandleSchema = z.strictObject({
  kubeconfig: z.string(),
  runId: z.string(),
  namespaces: z.strictObject({ main: z.string(), other: z.string(), host: z.string() }),
  workers: z.tuple([z.string(), z.string()], z.string()).readonly(),
  seed: z.string(),
  images: z.strictObject({ node: z.string(), agnhost: z.string() }),
  podSubnet: z.string(),
  hostNetwork: z.boolean(),
  hostPort: z.boolean(),
  /** Absent where the cluster is not ours. */
  outside: z.strictObject({ container: z.string(), uid: z.string(), ip: z.string() }).exactOptional(),
  /** Absent where it is not. */
  ownCluster: z.literal(true).exactOptional(),
  /** As declared. `module` is the path of its file in clusters/cni, which looks are taken with. */
  cni: z.strictObject({
    name: z.string(),
    version: z.string(),
    encapsulation: z.string(),
    module: z.string(),
  }),
  kubeProxy: z.string(),
  features: z.array(z.string()),
  expect: z.array(
    z.strictObject({
      check: z.string(),
      verdict: verdictSchema,
      reason: z.string(),
      issue: z.string(),
      until: z.string(),
    }),
  ),
})
/** A running leg: enough to open a session of one's own on it. */
export type LegHandle = z.infer<typeof legHandleSchema>

/** Writes the handle of a running leg. */
export async function writeLegHandle(file: string, handle: LegHandle): Promise<void> {
  await writeFile(file, `${JSON.stringify(handle, undefined, 2)}\n`, { mode: 0o600 })
}

/** Reads a handle that {@link writeLegHandle} wrote. */
export async function readLegHandle(file: string): Promise<LegHandle> {
  return legHandleSchema.parse(JSON.parse(await readFile(file, 'utf8')))
}

/** What the cluster of a leg declares, in the form that outcomes are made with. */
export function declaredBy(handle: Pick<LegHandle, 'features' | 'expect'>): Declared {
  return {
    features: handle.features,
    expect: handle.expect,
    matches: (glob, id) => picomatch.isMatch(id, glob),
  }
}

/** How a leg of our own is looked at from its nodes. */
export const accessTo = ({ cni, kubeProxy, podSubnet }: LegHandle, looked: LookedAt): NodeAccess => ({
  runOnNode: runOnKindNode,
  cni: looked,
  declared: { version: cni.version, encapsulation: cni.encapsulation, kubeProxy, podSubnet },
})

/** Opens a session on a running leg, with what a fault needs to touch it. */
export async function attach(handle: LegHandle) {
  const kube = connectKube(handle.kubeconfig)
  const { href } = pathToFileURL(handle.cni.module)
  const { cni } = (await import(/* @vite-ignore */ href)) as { cni: LookedAt }
  const options: SessionOptions = {
    kube,
    declared: declaredBy(handle),
    namespaces: handle.namespaces,
    workers: handle.workers,
    seed: handle.seed,
    podSubnet: handle.podSubnet,
    hostNetwork: handle.hostNetwork,
    hostPort: handle.hostPort,
    ...(handle.outside === undefined ? {} : { outside: handle.outside }),
    ...(handle.ownCluster === undefined ? {} : { ownCluster: handle.ownCluster }),
    access: accessTo(handle, cni),
  }
  const session = await Session.open(options)
  return {
    kube,
    session,
    cni: handle.cni,
    kubeProxy: handle.kubeProxy,
    workers: handle.workers,
    declared: session.declared,
    runOnNode: runOnKindNode,
    fixtures: fixtureObjects(handle),
    close: () => session.close(),
  }
}
