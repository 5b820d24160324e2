/** Whom the answer to a member of a share group names as the leaders of partitions that it asked the wrong broker for. */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { BrokerPlace, ClusterView } from '../cluster-view.ts'
import { hintedBrokers, type LeaderHint, leaderHint } from '../leader-hints.ts'
import type { Topics } from '../topics.ts'
import type { ShareTarget } from './share-sessions.ts'

const NO_LEADER: LeaderHint = { leaderId: 0, leaderEpoch: 0 }

export class ShareLeaders {
  readonly #cluster: ClusterView
  readonly #topics: Pick<Topics, 'byId'>
  readonly #hints: LeaderHint[] = []

  constructor(cluster: ClusterView, topics: Pick<Topics, 'byId'>) {
    this.#cluster = cluster
    this.#topics = topics
  }

  /** Of a partition that is answered with this error. */
  current({ topicId, index }: ShareTarget, errorCode: number): LeaderHint {
    if (errorCode !== ErrorCode.NOT_LEADER_OR_FOLLOWER) return NO_LEADER
    const hint = leaderHint(this.#cluster, this.#topics.byId(topicId)?.name ?? '', index)
    if (hint === undefined) return NO_LEADER
    this.#hints.push(hint)
    return hint
  }

  /** Where those are that were named. */
  endpoints(): BrokerPlace[] {
    return hintedBrokers(this.#cluster, this.#hints)
  }
}
