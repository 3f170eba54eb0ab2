/**
 * What pod networking is asked for, by the number that checks name in `covers`. Numbers are for ever, like the ids of
 * checks; catalogue.md lists who covers which.
 */
export const requirements: Readonly<Record<string, string>> = {
  K1: 'Every container of a pod sees the same interfaces and the address that the API reports; a server in one container answers another on 127.0.0.1.',
  K2: 'The containers of a pod share its ports: the second to bind one gets EADDRINUSE. Different pods can use the same port.',
  K3: 'The address that a pod sees as its own is the one that others see it as (no NAT between pods); pods reach nodes and nodes reach pods without NAT.',
  K4: "A pod's interface is one end of a pair whose other end is on its node; the network namespaces of two pods differ.",
  P1: 'Addresses are unique, inside the declared pod CIDR, and stable over the restart of a container.',
  P2: 'Pods of one node reach each other, in both directions.',
  P3: 'Pods of different nodes reach each other, in both directions.',
  P4: 'A pod that is pinned with nodeName runs on that node.',
  P5: 'When a pod goes, its interface, route and endpoint on the node go, and nothing stale answers; a pod made anew has a working address.',
  S1: 'A ClusterIP reaches every ready endpoint, from every node; a Service is found by its short name, by its FQDN, and from another namespace.',
  S2: 'Endpoints follow the ready pods, removed ones get no traffic, connections are spread over the backends, and session affinity is kept.',
  S3: 'A Service that does not answer is diagnosed: whether its name resolves, whether it has endpoints, whether the service proxy carries it.',
  S4: 'NodePort, ports of a node that lead to one pod, headless Services, a pod that reaches itself through its Service, and external and internal traffic policy.',
  D1: "A pod's resolv.conf names the cluster's DNS Service, its three search domains and ndots:5.",
  D2: 'DNS answers are what the API objects say: A and AAAA records of Services and pods, hostname and subdomain records, PTR and SRV.',
  D3: "A pod's record by address is ephemeral: after the pod is made anew, the old name does not lead to the new pod.",
  D4: 'CoreDNS answers through its Service and pod by pod, over UDP and TCP.',
  N1: 'NetworkPolicy is enforced where the cluster declares it: default deny, and what is allowed by pod, namespace, port and block of addresses.',
  N2: 'A cluster that does not declare NetworkPolicy is reported so, and a probe proves that nothing is enforced.',
  E: 'Pods reach their node, the API server and hosts outside the cluster, and it is known which source address is seen there.',
  C: 'The network plugin says that it is well, and its state on the nodes is that of the declared version and mode.',
}
