import { dump } from 'js-yaml'
import { gte } from 'semver'

/** The part of a cluster definition that kind needs to know. */
export interface KindSpec {
  /** "v1.37.0" */
  kubernetes: string
  nodes: { controlPlane: number; workers: number }
  network: {
    ipFamily: 'ipv4' | 'ipv6' | 'dual'
    podSubnet: string
    serviceSubnet: string
    kubeProxy: 'iptables' | 'nftables' | 'ipvs' | 'none'
  }
}

/** What of the Docker host kind's nodes must be told. */
export interface KindHost {
  cgroupVersion: 1 | 2
  /** Set where containers don't get CAP_SYS_RESOURCE. */
  shim: string | undefined
}

/** containerd on a host without CAP_SYS_RESOURCE: never ask for a score below our own. Section of kind's own v2 file. */
const restrictOomScore = `[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
`

/**
 * A cluster that is made for a run need not survive its machine's power cut, and each write that waits for a disk makes
 * everybody wait who starts pods: https://etcd.io/docs/v3.6/op-guide/configuration/ (unsafe-no-fsync). In the words of both
 * versions of kubeadm's configuration; kind takes the one that it uses itself.
 */
const fastEtcd = [
  `kind: ClusterConfiguration
apiVersion: kubeadm.k8s.io/v1beta3
etcd:
  local:
    extraArgs:
      unsafe-no-fsync: 'true'
`,
  `kind: ClusterConfiguration
apiVersion: kubeadm.k8s.io/v1beta4
etcd:
  local:
    extraArgs:
      - name: unsafe-no-fsync
        value: 'true'
`,
]

/** The same for what containerd knows of its containers; from its version 2.1 on, and before that it means nothing. */
const fastContainerd = `[plugins."io.containerd.metadata.v1.bolt"]
  no_sync = true
`

/** Kubernetes 1.31 knows the field; from 1.35 on kubelet does not start on cgroup v1 without it. */
const tolerateCgroupV1 = `kind: KubeletConfiguration
apiVersion: kubelet.config.k8s.io/v1beta1
failCgroupV1: false
`

/**
 * The configuration of `kind create cluster`: https://kind.sigs.k8s.io/docs/user/configuration/.
 * The default CNI is off, the CNI under test comes later; the API server's port is Docker's choice, because kind
 * looks for a free port and lets go of it before Docker takes it.
 */
export function kindConfig(spec: KindSpec, host: KindHost): Record<string, unknown> {
  const { ipFamily, podSubnet, serviceSubnet, kubeProxy } = spec.network
  const cgroupPatch = host.cgroupVersion === 1 && gte(spec.kubernetes, '1.31.0')
  return {
    kind: 'Cluster',
    apiVersion: 'kind.x-k8s.io/v1alpha4',
    networking: {
      ipFamily,
      podSubnet,
      serviceSubnet,
      kubeProxyMode: kubeProxy,
      disableDefaultCNI: true,
      apiServerPort: -1,
    },
    nodes: [
      ...Array.from({ length: spec.nodes.controlPlane }, () => ({ role: 'control-plane' })),
      ...Array.from({ length: spec.nodes.workers }, () => ({ role: 'worker' })),
    ],
    kubeadmConfigPatches: [...fastEtcd, ...(cgroupPatch ? [tolerateCgroupV1] : [])],
    containerdConfigPatches: [fastContainerd, ...(host.shim === undefined ? [] : [restrictOomScore])],
  }
}

/** {@link kindConfig} as the text of a file. */
export function kindConfigYaml(spec: KindSpec, host: KindHost): string {
  return dump(kindConfig(spec, host))
}
