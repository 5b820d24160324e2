/**
 * Features (KIP-584): versioned behaviour that the whole cluster has at one level, which an operator raises once every
 * node can do it. Levels that were set stand in the metadata; the others are what the table says.
 *
 * Ask `level` where behaviour depends on one: clients are told the same levels.
 */
import type { MetadataImage } from '../metadata/metadata.ts'

interface FeatureDeclaration {
  readonly min: number
  readonly max: number
  /**
   * Of a cluster in which nobody ever set it. It must stay what it is once released: with another one, a new version
   * of the software would change what a running cluster does.
   */
  readonly unset: number
  /** What a level needs of other features, by level. */
  readonly needs?: Readonly<Record<number, Readonly<Partial<Record<FeatureName, number>>>>>
  /** There is no way back from a higher level. */
  readonly upOnly?: boolean
}

export type FeatureName =
  | 'eligible.leader.replicas.version'
  | 'group.version'
  | 'kraft.version'
  | 'metadata.version'
  | 'share.version'
  | 'streams.version'
  | 'transaction.version'

/**
 * The levels of Kafka 4.3. Three of them mean nothing here and are kept so that `kafka-features --release-version`
 * and clients find what they expect: metadata.version (the metadata's own migrations count), kraft.version (there
 * is no KRaft), and eligible.leader.replicas.version (the one replica there is, is always in sync).
 */
export const FEATURES: Readonly<Record<FeatureName, FeatureDeclaration>> = {
  'eligible.leader.replicas.version': { min: 0, max: 1, unset: 1, needs: { 1: { 'metadata.version': 23 } } },
  'group.version': { min: 0, max: 1, unset: 1 },
  'kraft.version': { min: 0, max: 1, unset: 0, upOnly: true },
  'metadata.version': { min: 7, max: 30, unset: 30 },
  'share.version': { min: 0, max: 1, unset: 1 },
  'streams.version': { min: 0, max: 1, unset: 1 },
  'transaction.version': { min: 0, max: 2, unset: 2 }
}

/** Levels of metadata.version that changed what Kafka stores: from them, there is no way down. */
const METADATA_CHANGES = [8, 11, 13, 14, 15, 17, 23, 30]

/** `FeatureUpdate.UpgradeType` of Kafka's client. */
export const UPGRADE_TYPE = { upgrade: 1, safeDowngrade: 2, unsafeDowngrade: 3 } as const

export interface FeatureUpdate {
  readonly feature: string
  readonly level: number
  /** See `UPGRADE_TYPE`; anything else is refused. */
  readonly upgradeType: number
}

export class Features {
  readonly #image: () => MetadataImage

  constructor(image: () => MetadataImage) {
    this.#image = image
  }

  level(name: FeatureName): number {
    return this.#image().featureLevels().levels.get(name) ?? FEATURES[name].unset
  }

  /** Of the levels together; grows with each change. */
  get epoch(): number {
    return this.#image().featureLevels().epoch
  }

  levels(): ReadonlyMap<FeatureName, number> {
    return new Map(featureNames().map((name) => [name, this.level(name)]))
  }
}

export function featureNames(): FeatureName[] {
  return Object.keys(FEATURES) as FeatureName[]
}

/** Why these updates, all together, cannot be made where `current` holds; undefined when they can. */
export function featureUpdateProblem(
  current: ReadonlyMap<FeatureName, number>,
  updates: readonly FeatureUpdate[]
): string | undefined {
  const proposed = new Map<string, number>(current)
  for (const { feature, level } of updates) proposed.set(feature, level)
  for (const update of updates) {
    const problem = problemOf(update, current, proposed)
    if (problem !== undefined) return `Invalid update version ${update.level} for feature ${update.feature}. ${problem}`
  }
  return undefined
}

function problemOf(
  { feature, level, upgradeType }: FeatureUpdate,
  current: ReadonlyMap<FeatureName, number>,
  proposed: ReadonlyMap<string, number>
): string | undefined {
  if (!(Object.values(UPGRADE_TYPE) as number[]).includes(upgradeType)) return 'The upgrade type is not known.'
  if (level < 0) return 'A feature version cannot be less than 0.'
  if (!isFeatureName(feature)) return 'This node does not support the feature.'
  const { min, max, needs, upOnly } = FEATURES[feature]
  if (level < min || level > max) return `This node supports versions ${min} to ${max} only.`
  const before = current.get(feature) ?? 0
  if (level < before && upgradeType === UPGRADE_TYPE.upgrade) {
    return 'To lower a version, ask for a safe or unsafe downgrade.'
  }
  if (level > before && upgradeType !== UPGRADE_TYPE.upgrade) return 'A downgrade cannot lead to a newer version.'
  if (level < before && upOnly) return 'The version of this feature cannot be lowered.'
  if (feature === 'metadata.version' && METADATA_CHANGES.some((change) => level < change && change <= before)) {
    return `The way from ${before} down to ${level} is not open: what is stored has changed in between.`
  }
  for (const [other, least] of Object.entries(needs?.[level] ?? {})) {
    if ((proposed.get(other) ?? 0) < least) return `It needs ${other} at level ${least} or above.`
  }
  return undefined
}

function isFeatureName(name: string): name is FeatureName {
  return Object.hasOwn(FEATURES, name)
}
