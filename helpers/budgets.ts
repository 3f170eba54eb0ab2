/** A named time limit. The name appears in every message about it. */
export interface Budget {
  readonly name: string
  /** Milliseconds. */
  readonly ms: number
}

function budget(name: string, ms: number): Budget {
  return { name, ms }
}

/** What grows with a cluster, and how far it does. */
export const limits = {
  /** Nodes with fixture pods unless a user says otherwise: 49 pods. */
  coveredNodes: 24,
  /** Ordered pairs of two nodes that are asked: all of 30 nodes. Beyond, a sample. */
  nodePairs: 870,
  /** Bindings of checks that are asked at once: 8 MB of questions and answers, gone before they are old. */
  pairsAtOnce: 4_000,
} as const

/** Every time limit of the program, in one place. */
export const budgets = {
  /** One probe, from opening its socket to the checked answer: room for one SYN sent again (1 s) on a machine that is busy. */
  probeMs: budget('probeMs', 3_000),
  /** One of a crowd of connections, or 1 MiB there and back: 0.8 s for all 2,000 here, and room for two SYNs sent again (1 s, 3 s). */
  heavyProbeMs: budget('heavyProbeMs', 5_000),
  /** A program that the tools container runs: ping gives up 2.4 s after its first request, on a busy machine it starts late. */
  toolsProbeMs: budget('toolsProbeMs', 6_000),
  /** One DNS question; CoreDNS answers from memory in about 1 ms. Room for a connection that it closes unread after 2 s. */
  dnsProbeMs: budget('dnsProbeMs', 5_000),
  /** Agent batch: slowest probe plus this, then the batch is given up and its missing rows become `unknown`. */
  batchSlackMs: budget('batchSlackMs', 10_000),
  /** Exec stream opened -> hello frame of the agent. Node.js starts in 0.7 s in a pod on a loaded 2-core machine. */
  agentHelloMs: budget('agentHelloMs', 30_000),
  /** No frame and no heartbeat for this long means that the stream is dead. The agent beats each second. */
  agentSilenceMs: budget('agentSilenceMs', 8_000),
  /** kind create: 29 s on an idle 2-core machine, 65 s with three at once. */
  clusterCreateMs: budget('clusterCreateMs', 300_000),
  clusterDeleteMs: budget('clusterDeleteMs', 60_000),
  /** CNI applied -> DaemonSet rolled out: 16-19 s with images in place; pulls take longer. */
  cniReadyMs: budget('cniReadyMs', 300_000),
  /** Helm renders the chart of Cilium in 0.5 s; a machine that starts nine nodes takes its time. */
  helmRenderMs: budget('helmRenderMs', 60_000),
  nodesReadyMs: budget('nodesReadyMs', 120_000),
  /** Fixture pods created -> Ready: 1.4 s here. */
  fixturesReadyMs: budget('fixturesReadyMs', 120_000),
  /** All paths answer once before the first check: the cluster is ready when traffic says so. */
  trafficReadyMs: budget('trafficReadyMs', 60_000),
  /** Checks whose agents got no processor are asked again for so long, */
  starvedMs: budget('starvedMs', 30_000),
  /** after so long. */
  starvedPauseMs: budget('starvedPauseMs', 1_000),
  /** Broken paths that have not changed for this long are a finding, not a cluster that is still starting. */
  trafficSettledMs: budget('trafficSettledMs', 8_000),
  /**
   * One probe that a policy must swallow, so it always costs this whole. It has one SYN, as the kernel sends the second
   * after 1 s; three probes of each kind are sent, and a control must be answered within the same time.
   */
  policyProbeMs: budget('policyProbeMs', 1_000),
  /** One probe of a round that only looks whether traffic is back; 200 round trips of a kind cluster. */
  policyRoundMs: budget('policyRoundMs', 150),
  /** One probe of such a round that a policy must swallow: a look that is fooled costs one round of verdicts, no more. */
  policyLookMs: budget('policyLookMs', 75),
  /** Flows that have not changed for this long after a policy did are a finding: it takes 0.2 s when idle. */
  policySettledMs: budget('policySettledMs', 8_000),
  /** The same where they do just what the cluster's definition says that they do: seven times what enforcing takes. */
  declaredSettledMs: budget('declaredSettledMs', 1_500),
  /** The same while flows still change, one after the other. */
  policyEnforcedMs: budget('policyEnforcedMs', 30_000),
  /** A record that is still not as the API has it is a finding: the TTL of 30 s for which CoreDNS may keep what it said, and some. */
  recordSettledMs: budget('recordSettledMs', 35_000),
  /** Silence beyond the time for which a Service keeps a client: data planes count in whole seconds, and look once in a second. */
  affinitySlackMs: budget('affinitySlackMs', 1_500),
  /** Flows must go on for this long after a deny to show that nobody enforces it: ten times what enforcing takes. */
  policyIgnoredMs: budget('policyIgnoredMs', 2_000),
  /** A pod that asks from its first moment does so for this long: leaks that were reported last up to 2 s. */
  firstPacketsMs: budget('firstPacketsMs', 3_000),
  /**
   * A pod of a check's own, created -> Ready: 2 s. Cilium's plugin says after 60 s that its agent is away; an agent that gives
   * a network to one pod in twelve seconds, as it does by itself on a busy machine, takes two minutes for the last of ten.
   */
  ownPodReadyMs: budget('ownPodReadyMs', 180_000),
  /** The same pod, deleted -> gone from the API, which waits for its network to be taken down: 2 s. */
  ownPodGoneMs: budget('ownPodGoneMs', 60_000),
  /** A pod whose network could not be set up for this long will not get one: kubelet tries again every few seconds. */
  podNetworkMs: budget('podNetworkMs', 15_000),
  /** Traces of a pod on its node, from the first look until all are there, or all are gone: endpoints lag by 1 s. */
  podTracesMs: budget('podTracesMs', 20_000),
  /** A profile: fixtures Ready -> last outcome. */
  smokeMs: budget('smokeMs', 5_000),
  coreMs: budget('coreMs', 5_000),
  extendedMs: budget('extendedMs', 120_000),
  /** A whole run of the profile smoke on a cluster that stands already, from the command to its end. */
  smokeRunMs: budget('smokeRunMs', 15_000),
  /** Evidence after a failure, all nodes side by side. */
  evidenceMs: budget('evidenceMs', 30_000),
  /** Packets of failed paths, written down while they are asked once more: 1 s of Docker, and the slowest probe (5 s). */
  captureMs: budget('captureMs', 20_000),
  /** The checks of one topic of a user's own suite, asked at once: a few seconds, and a policy's budgets where one is set. */
  ownChecksMs: budget('ownChecksMs', 120_000),
  /** A fault must show its effect, or its absence after healing, within this. */
  faultMs: budget('faultMs', 60_000),
  /** One command on a node, through Docker: 0.1 s when idle. */
  nodeCommandMs: budget('nodeCommandMs', 20_000),
  /** One of the questions of a look at a node, from the node itself: they take 10-200 ms. An agent that is silent for longer hangs. */
  lookAnswerMs: budget('lookAnswerMs', 5_000),
  /** What a look finds wrong may still be on its way: readiness probes of CNIs come every 10 to 30 s. */
  lookSettledMs: budget('lookSettledMs', 35_000),
  dockerStartMs: budget('dockerStartMs', 60_000),
  /** One question to the Docker daemon: 50 ms here, a few seconds under nine starting nodes; longer means that it hangs. */
  dockerAnswerMs: budget('dockerAnswerMs', 15_000),
  /** One request to an API server that is starting: it answers in 5 ms or not at all. */
  apiAnswerMs: budget('apiAnswerMs', 2_000),
  /** The first answer of an API server that is not ours: 10 ms in one house, a login by a plugin and a far network otherwise. */
  givenAnswerMs: budget('givenAnswerMs', 15_000),
  /** Fixture pods on a cluster that is not ours, created -> Ready: 2 s, and two images of 100 MB where the nodes do not have them. */
  givenFixturesReadyMs: budget('givenFixturesReadyMs', 300_000),
  /** Namespaces or objects of a run, deleted -> gone: 7 s here, where kubelets have a second to stop each pod. */
  givenDeleteMs: budget('givenDeleteMs', 120_000),
  /** A run on a cluster that is not ours without --timeout: ten times what all checks take. */
  givenRunMs: budget('givenRunMs', 3_600_000),
  /** What a run leaves behind lasts so much longer than the run may: time to write its report and to delete. */
  givenExpiryMs: budget('givenExpiryMs', 900_000),
  /** What --keep leaves behind lasts a day. */
  givenKeepMs: budget('givenKeepMs', 86_400_000),
  /** A request whose sender was killed may still make a container or network for this long; creating one takes 0.5 s. */
  dockerRequestMs: budget('dockerRequestMs', 2_000),
  /** apt-get update and install of docker.io: 40 s here from a near mirror. */
  packageInstallMs: budget('packageInstallMs', 600_000),
  /** One file of Go, standard library only: 1 s warm, 20 s with an empty build cache on a loaded machine. */
  goProgramMs: budget('goProgramMs', 120_000),
  /** Every registry of a run answers GET /v2/ within this, or it counts as out of reach. A far registry takes 0.5 s. */
  registryAnswerMs: budget('registryAnswerMs', 3_000),
  /** `<tool> --version`; a shim of a version manager may take a second. */
  toolVersionMs: budget('toolVersionMs', 5_000),
  /** One image through `docker pull`: kindest/node is 400 MB, at 1 MB/s 400 s. */
  imagePullMs: budget('imagePullMs', 900_000),
  /** One file or Go module from the network: the largest has 65 MB. */
  downloadMs: budget('downloadMs', 300_000),
  /** Makes and starts a container from an image that is there: 1 s when idle. */
  containerStartMs: budget('containerStartMs', 60_000),
  /** Headers of a download: redirects included, 1 s is normal. After it the body has downloadMs. */
  downloadAnswerMs: budget('downloadAnswerMs', 10_000),
  /** One Go module compiled and linked: Kubernetes takes 450 s on 2 cores; a busy machine several times as long. */
  goBuildMs: budget('goBuildMs', 3_600_000),
  /** debootstrap of the node image: 90 s from a near mirror. */
  debootstrapMs: budget('debootstrapMs', 1_800_000),
  /** tar of a root file system of 700 MB: 3 s. */
  packMs: budget('packMs', 300_000),
  /** `docker load`, `docker save` or `docker commit` of 700 MB: 15 s on a slow disk. */
  dockerImageMs: budget('dockerImageMs', 600_000),
  /** Import of a dozen images into the node image's containerd: 10 s. */
  imageImportMs: budget('imageImportMs', 300_000),
} as const satisfies Record<string, Budget>

/** What a capture of packets may hold; beyond it says that it is not whole. */
export const captureLimits = {
  /** Pairs of ends for which packets are written down after a failure; all at once. */
  pairs: 4,
  /** Connections or questions of a pair that are asked once more: one broken endpoint of four is missed 1 time in 100. */
  questions: 16,
  /** One node shows a connection 40 times on all its interfaces: 16 connections of 4 pairs. */
  packetsPerNode: 5_000,
  /** Of each packet, from its network header: two headers of IPv6, one of TCP, and 50 bytes of our own words. */
  bytesPerPacket: 192,
} as const
