/** What the projects say about their CNI themselves: never mixed with what a run measured. */
export interface UpstreamCni {
  /** As `cni.name` in a cluster's file. */
  name: string
  title: string
  dataPlane: string
  encapsulation: string
  networkPolicy: string
  encryption: string
  /** Said where the project is not maintained any more. */
  archived?: string
  sources: readonly string[]
}

/** Read in November 2026; each row can be checked at its sources. */
export const upstreamCnis: readonly UpstreamCni[] = [
  {
    name: 'flannel',
    title: 'Flannel',
    dataPlane: 'Linux bridge and routes',
    encapsulation: 'VXLAN; WireGuard; none, with host-gw; UDP for debugging; experimental: IPIP and IPsec',
    networkPolicy: 'none by itself; kube-network-policies as an option since v0.25.5',
    encryption: 'by its WireGuard backend; experimental: IPsec',
    sources: [
      'https://github.com/flannel-io/flannel/blob/v0.28.9/Documentation/backends.md',
      'https://github.com/flannel-io/flannel/blob/v0.28.9/Documentation/netpol.md',
    ],
  },
  {
    name: 'calico',
    title: 'Calico',
    dataPlane: 'iptables, eBPF or VPP; nftables, since v3.31 for general use',
    encapsulation: 'VXLAN; IP-in-IP; none, with BGP',
    networkPolicy: 'Kubernetes NetworkPolicy and its own policies',
    encryption: 'WireGuard, as an option; IPsec with VPP',
    sources: [
      'https://docs.tigera.io/calico/latest/networking/determine-best-networking',
      'https://docs.tigera.io/calico/latest/network-policy/encrypt-cluster-pod-traffic',
      'https://docs.tigera.io/calico/latest/operations/ebpf',
      'https://docs.tigera.io/calico/latest/getting-started/kubernetes/vpp',
      'https://github.com/projectcalico/calico/blob/release-v3.31/release-notes/v3.31.0-release-notes.md',
    ],
  },
  {
    name: 'cilium',
    title: 'Cilium',
    dataPlane: 'eBPF',
    encapsulation: 'VXLAN or Geneve; none, with native routing',
    networkPolicy: 'Kubernetes NetworkPolicy and its own policies, up to layer 7',
    encryption: 'WireGuard or IPsec, as an option; beta: mutual TLS by ztunnel',
    sources: [
      'https://docs.cilium.io/en/stable/network/concepts/routing/',
      'https://docs.cilium.io/en/stable/security/policy/',
      'https://docs.cilium.io/en/stable/security/network/encryption/',
    ],
  },
  {
    name: 'weave',
    title: 'Weave Net',
    dataPlane: 'Open vSwitch data path in the kernel, or user space',
    encapsulation: 'VXLAN (fast data path); its own over UDP (sleeve)',
    networkPolicy: 'Kubernetes NetworkPolicy, by iptables',
    encryption: 'with a password: IPsec ESP (fast data path) or NaCl (sleeve)',
    archived: 'archived upstream since June 2024',
    sources: [
      'https://github.com/weaveworks/weave',
      'https://github.com/weaveworks/weave/blob/23fa082602c6d7faca6657b773a704ee0b651fbd/site/how-it-works.md',
      'https://github.com/weaveworks/weave/blob/23fa082602c6d7faca6657b773a704ee0b651fbd/site/how-it-works/encryption.md',
      'https://github.com/cncf/landscape/pull/4023',
    ],
  },
]
