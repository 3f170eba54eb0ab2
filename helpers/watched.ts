import {
  makeInformer,
  type Informer,
  type KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  type ObjectCache,
} from '@kubernetes/client-node'
import { sleep } from './await.ts'
import { apiMessage } from './kube.ts'

/** Which objects are watched, and how all of them are listed. */
export interface WatchedKind<T extends KubernetesObject> {
  /** Of the API: "/api/v1/pods". */
  path: string
  labelSelector: string
  list: (labelSelector: string) => Promise<KubernetesListObject<T>>
}

/** Milliseconds until all is listed again when the watch has broken, or cannot be had. */
const againAfterMs = 500

/**
 * Objects of one kind as the API server tells of them: one list and one watch, whoever waits for whatever. Looking every
 * 200 ms takes ten requests for each pod that starts, and sees it Ready 100 ms late.
 */
export class Watched<T extends KubernetesObject> implements Disposable {
  readonly #config: KubeConfig
  readonly #kind: WatchedKind<T>
  readonly #ended = new AbortController()
  #informer: (Informer<T> & ObjectCache<T>) | undefined
  #next = Promise.withResolvers<void>()
  #fault: string | undefined

  private constructor(config: KubeConfig, kind: WatchedKind<T>) {
    this.#config = config
    this.#kind = kind
  }

  /** Begins, once the list is there. Never throws: what cannot be listed is tried again, and {@link fault} says why. */
  static async open<T extends KubernetesObject>(
    config: KubeConfig,
    kind: WatchedKind<T>,
  ): Promise<Watched<T>> {
    const watched = new Watched(config, kind)
    await watched.#begin()
    return watched
  }

  /** The library goes on by itself where a watch has only ended, and gives up after an error. */
  async #begin(): Promise<void> {
    const { path, labelSelector, list } = this.#kind
    let [listed, failed] = [false, false]
    const listing = async (): Promise<KubernetesListObject<T>> => {
      const found = await list(labelSelector)
      listed = true
      return found
    }
    const informer = makeInformer(this.#config, path, listing, labelSelector)
    informer.on('change', () => this.#tell())
    informer.on('error', (error: unknown) => {
      if (!listed) this.#fault = apiMessage(error)
      if (failed) return
      failed = true
      void this.#beginAgain()
    })
    await informer.start()
    if (listed) {
      void this.#informer?.stop()
      this.#informer = informer
      this.#fault = undefined
    }
    this.#tell()
    // What ended meanwhile could not stop it.
    if (this.#ended.signal.aborted) void informer.stop()
  }

  async #beginAgain(): Promise<void> {
    try {
      await sleep(againAfterMs, this.#ended.signal)
      await this.#begin()
    } catch {
      // Nobody waits any more.
    }
  }

  /** Why {@link all} may not be what exists: it could not be listed. */
  get fault(): string | undefined {
    return this.#fault
  }

  /** What exists, by what the API server has told last. */
  get all(): readonly T[] {
    return this.#informer?.list() ?? []
  }

  get(name: string, namespace?: string): T | undefined {
    return this.#informer?.get(name, namespace)
  }

  /** Resolves when something may have changed. */
  changed(): Promise<void> {
    return this.#next.promise
  }

  #tell(): void {
    this.#next.resolve()
    this.#next = Promise.withResolvers()
  }

  [Symbol.dispose](): void {
    this.#ended.abort()
    void this.#informer?.stop()
  }
}
