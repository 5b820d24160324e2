/**
 * The change feed: one row per thing that a transaction changed, so that every process can keep its image current by
 * reloading just those. A row says what changed, never how; reading one twice does no harm.
 *
 * Invariant: `seq` is dense and rises in commit order: a reader that has seen n will find every later change behind n.
 * It rests on `Database.write`, whose transactions run one after another on every engine: no seq becomes visible before a
 * smaller one, a rollback leaves no gap, and whatever a transaction checked still holds when it commits. (An identity
 * column would do neither.) If that queue ever limits a large cluster: lock the rows in a fixed order, and the feed last.
 */
import { batches, type Tx } from './database.ts'
import { allocate } from './sequences.ts'

/** What a subject is; readers skip kinds they do not know, which newer versions may write. */
export type ChangeKind = 'topic' | 'stream' | 'object' | 'quota' | 'feature' | 'config' | 'node'

/** Rows kept for slow readers. One that lags further reads the tables anew. */
const FEED_ROWS_KEPT = 100_000
/** Old rows are removed once in so many changes, not in every transaction. */
const FEED_TRIM_EVERY = 1024

/** Collects what one transaction changes; a subject counts once. */
export class ChangeSet {
  readonly topics = new Set<string>()
  readonly streams = new Set<number>()
  readonly objects = new Set<number>()
  /** Entity keys. */
  readonly quotas = new Set<string>()
  readonly features = new Set<string>()
  /** Type and name of a resource, see `resource-configs.ts`. */
  readonly configs = new Set<string>()
  readonly nodes = new Set<number>()

  rows(): { kind: ChangeKind; subject: string }[] {
    const row = (kind: ChangeKind) => (subject: string | number) => ({ kind, subject: String(subject) })
    return [
      ...[...this.topics].map(row('topic')),
      ...[...this.streams].map(row('stream')),
      ...[...this.objects].map(row('object')),
      ...[...this.quotas].map(row('quota')),
      ...[...this.features].map(row('feature')),
      ...[...this.configs].map(row('config')),
      ...[...this.nodes].map(row('node'))
    ]
  }
}

/** Announces the changes; at the end of the transaction. Returns the newest seq; undefined when nothing changed. */
export async function appendChanges(tx: Tx, changes: ChangeSet): Promise<number | undefined> {
  const rows = changes.rows()
  if (rows.length === 0) return undefined
  const first = await allocate(tx, 'change', rows.length)
  const numbered = rows.map((row, index) => ({ seq: first + index, ...row }))
  for (const batch of batches(numbered)) await tx.insertInto('change').values(batch).execute()
  const end = first + rows.length
  if (Math.floor(first / FEED_TRIM_EVERY) !== Math.floor(end / FEED_TRIM_EVERY)) {
    await tx
      .deleteFrom('change')
      .where('seq', '<', end - FEED_ROWS_KEPT)
      .execute()
  }
  return end - 1
}

/** The seq of the newest change; 0 when there was none. */
export async function lastSeq(tx: Tx): Promise<number> {
  const row = await tx.selectFrom('sequence').select('next').where('name', '=', 'change').executeTakeFirst()
  return row === undefined ? 0 : row.next - 1
}

/** What changed in (after, upTo]; undefined when the feed no longer reaches back that far. */
export async function readChanges(tx: Tx, after: number, upTo: number): Promise<ChangeSet | undefined> {
  const rows = await tx
    .selectFrom('change')
    .select(['seq', 'kind', 'subject'])
    .where('seq', '>', after)
    .where('seq', '<=', upTo)
    .orderBy('seq')
    .execute()
  if (rows.length !== upTo - after) return undefined
  const changes = new ChangeSet()
  for (const { kind, subject } of rows) {
    if (kind === 'topic') changes.topics.add(subject)
    else if (kind === 'stream') changes.streams.add(Number(subject))
    else if (kind === 'object') changes.objects.add(Number(subject))
    else if (kind === 'quota') changes.quotas.add(subject)
    else if (kind === 'feature') changes.features.add(subject)
    else if (kind === 'config') changes.configs.add(subject)
    else if (kind === 'node') changes.nodes.add(Number(subject))
  }
  return changes
}
