/**
 * What goes over the control stream between the runner and the agent in a pod, and what an agent's server answers.
 * This file is loaded on both sides: types and constants only, no imports.
 */

/** Ports of the agent's server, the same in every fixture pod. All above 1024: the pods run under PSA restricted. */
export const agentPorts = { http: 8080, tcp: 8081, udp: 8081 } as const
/**
 * The same server in a pod that has its node's network. Nobody else of the node may be there: above the ports that the
 * kernel gives out (to 60999) and that NodePorts have (30000 to 32767), and no default of a CNI or of Kubernetes.
 */
export const hostPorts = { http: 61_080, tcp: 61_081, udp: 61_081 } as const
/** Ports of the node that lead to the server of a pod with host ports: as free as those above. */
export const mappedPorts = { http: 61_180, tcp: 61_181, udp: 61_181 } as const
/** Ports of `agnhost netexec` in the tools container of the same pod. */
export const toolsPorts = { http: 8090, udp: 8091 } as const

/** A datagram without an answer is sent again after this share of its time limit, and once more after twice as long. */
export const resendShare = 1 / 3

/** Who answers: sent with every reply of an agent's server. */
export interface Identity {
  /** Echo of the question's nonce: proves that this is the answer to this question. */
  nonce: string
  podUid: string
  /** `namespace/name`. */
  pod: string
  node: string
  /** Source address that the server saw, without a port. */
  saw: string
}

/** Kinds of DNS records that can be asked for. */
export type RecordType = 'A' | 'AAAA' | 'CNAME' | 'PTR' | 'SRV'

/** The address is that of a Service: who answers has another one. Decides about the source port. */
type ToService = true

/** One packet question, as the agent gets it: addresses, no roles. `id` is unique within its batch. */
export type WireProbe =
  | {
      id: number
      /** datagram: sent without waiting for an answer; the receiver is asked for its receipt afterwards. */
      kind: 'tcp' | 'udp' | 'http' | 'datagram'
      /** An IP address, or a name that the pod's own resolver (getaddrinfo, resolv.conf, search path) must find. */
      host: string
      port: number
      nonce: string
      timeoutMs: number
      toService?: ToService
      /** Asked from this port and no other; the next one of its number must wait until this probe has ended. */
      sourcePort?: number
      /** Only udp from a port of its own: over a socket that stays open and connected, and serves the next one of its port. */
      held?: true
      /** A datagram is made as long as the MTU of the pod's interface, or twice as long: then it travels in pieces. */
      fill?: 'mtu' | 'twice-mtu'
      /** Only tcp: the connection is silent for so long, and then used again. */
      silentMs?: number
    }
  | {
      id: number
      /** Echo requests over ICMP, which the tools container of the same pod sends. Only to an address. */
      kind: 'ping'
      host: string
      timeoutMs: number
    }
  | {
      id: number
      /** Datagrams as long as the kernel takes the path to be, and what it takes it for then. Only to an address. */
      kind: 'path-mtu'
      host: string
      port: number
      nonces: string[]
      timeoutMs: number
    }
  | {
      id: number
      /** One byte longer than the interface or the path takes, with DF, from the tools container. Only to an address. */
      kind: 'over-mtu'
      host: string
      port: number
      timeoutMs: number
    }
  | {
      id: number
      /** Every address (A) that the pod's own resolver finds for a name, by resolv.conf and its search path. */
      kind: 'lookup'
      host: string
      timeoutMs: number
    }
  | {
      id: number
      /** As many bytes to the server and back, over one connection: each end knows what must come, from the nonce. */
      kind: 'bulk'
      host: string
      port: number
      nonce: string
      bytes: number
      timeoutMs: number
    }
  | {
      id: number
      /** `GET <path>` over TLS: any HTTP status is an answer, from whoever has a certificate of `ca` for `host`. */
      kind: 'tls'
      host: string
      port: number
      /** PEM; nothing else is trusted. */
      ca: string
      path: string
      timeoutMs: number
      toService?: ToService
    }
  | {
      id: number
      /** `GET /echo?msg=<nonce>` (http) or `echo <nonce>` (udp) to `agnhost netexec` of the same pod: no identity, the nonce alone. */
      kind: 'tools-http' | 'tools-udp'
      host: string
      port: number
      nonce: string
      timeoutMs: number
    }
  | {
      id: number
      kind: 'dns'
      /** Address of the DNS server, port 53. */
      server: string
      transport: 'udp' | 'tcp'
      /** Fully qualified, with or without the final dot; no search path is applied. */
      name: string
      type: RecordType
      timeoutMs: number
      /** Sent so many milliseconds after the batch began. */
      afterMs?: number
      toService?: ToService
    }
  | {
      id: number
      /** Does anything answer there? Of a peer without an agent: no nonce, no identity. */
      kind: 'connect'
      /** tcp: the handshake. http: a status, whichever. udp: a datagram, whatever it holds. */
      protocol: 'tcp' | 'udp' | 'http'
      /** An address or a name, as of the first kind. */
      host: string
      port: number
      timeoutMs: number
      toService?: ToService
    }
  | { id: number; kind: 'bind'; transport: 'tcp' | 'udp'; host: string; port: number; timeoutMs: number }
  | { id: number; kind: 'facts'; timeoutMs: number }
  | {
      id: number
      /** Which of these datagram nonces has this pod's server received? Asked after the senders are done. */
      kind: 'receipts'
      nonces: string[]
      timeoutMs: number
    }

/** A probe of one kind. */
export type Of<Kind extends WireProbe['kind']> = Extract<WireProbe, { kind: Kind }>

/** One answer to an echo request. */
export interface EchoReply {
  from: string
  seq: number
  ttl: number
  /** Milliseconds. */
  ms: number
}

/** How a probe ended, in the agent's own words; the runner turns it into a verdict. */
export const wireEnds = [
  /** The answer came and fits the question. Any well-formed DNS answer counts, whatever its `rcode`; so does a bind that worked, and anything that `connect` met. */
  'answered',
  'sent',
  'timeout',
  /** ECONNREFUSED: a RST in answer to the SYN, or an ICMP port unreachable. */
  'refused',
  'unreachable',
  'no-such-name',
  /** The answer could not be understood, has another nonce, or the connection was reset or closed before it. */
  'bad-answer',
  /** TLS: who answered could not prove to be whom was asked for. */
  'untrusted',
  /** EADDRINUSE of a bind. */
  'in-use',
  /** EMFILE, EADDRNOTAVAIL, EACCES and the like: says nothing about the network. */
  'local-error',
  /** The agent itself could not run for so long that what it did not hear says nothing either. */
  'starved',
] as const
export type WireEnd = (typeof wireEnds)[number]

/** What the agent reads inside its pod. */
export interface Facts {
  podUid: string
  pod: string
  node: string
  /** `net:[4026532345]` of the agent's container. */
  netns: string
  /** Addresses of all interfaces but loopback, without prefix length and without IPv6 link-local ones. */
  addresses: string[]
  /** MTU of the interface that carries the pod's address. */
  mtu?: number
  /** That interface: its index here, and that of its other end where that is. */
  interface?: { name: string; index: number; peer: number }
  resolvConf: string
  /** The same two facts as the tools container saw them when it started; absent if it has not written them. */
  tools?: { netns: string; addresses: string[] }
}

export interface WireResult {
  id: number
  end: WireEnd
  /** Sockets opened or datagrams sent. */
  attempts: number
  /** Milliseconds from the (last) send to the answer; without an answer, until the probe was given up. */
  ms: number
  /**
   * Milliseconds in which the agent itself could not run: of an answered one's `ms`, and of all that a starved one was
   * given. Absent where that was less than 1.
   */
  lostMs?: number
  /** Where it ended when there was no answer: resolve, connect, answer. */
  phase?: 'resolve' | 'connect' | 'answer'
  /** Error code or what was seen instead of an answer; of `connect`, what kind of answer it was. */
  detail?: string
  identity?: Identity
  /** Of a connection over HTTP: its status. */
  status?: number
  /** Address that a name was resolved to. */
  address?: string
  /** Answers to echo requests, whoever sent them. */
  replies?: EchoReply[]
  /**
   * Longest packet to a peer, in bytes: as the pod's interface has it, as the kernel took it for when it sent, and as a
   * router on the way has told it, where one has; and whether the kernel refused a longer one that nobody may cut.
   */
  path?: {
    interfaceMtu: number
    mtu: number
    told?: number
    oversize?: { bytes: number; refused: boolean }
  }
  /**
   * Records of a DNS answer with `rcode` NOERROR, of the type and the name asked for or of its CNAME targets, sorted:
   * addresses, names without a final dot, `port target` of SRV. Of a lookup all addresses, sorted.
   */
  answers?: string[]
  /** The server marked its answer as not whole (TC). */
  truncated?: true
  rcode?: string
  facts?: Facts
  received?: string[]
}

/** How long the server of an agent's pod had waited for a processor when a batch began and when it was over, in milliseconds. */
export interface Waited {
  fromMs: number
  toMs: number
}

/** Runner -> agent. */
export type Command = { type: 'plan'; batch: number; probes: readonly WireProbe[] } | { type: 'end' }

/** Agent -> runner. `seq` counts every frame of the stream from 0. */
export type Frame = { seq: number } &
  /** `sockets`: how many probes this agent runs at once; further ones of a batch wait for a free socket. */
  (
    | { type: 'hello'; podUid: string; pod: string; node: string; version: number; sockets: number }
    | { type: 'beat' }
    | { type: 'results'; batch: number; results: WireResult[] }
    /** The batch is complete: this many results were sent. */
    | { type: 'done'; batch: number; count: number; waited: Waited }
    | { type: 'error'; message: string }
  )

/** Raised whenever the meaning of a frame changes. */
export const protocolVersion = 5
