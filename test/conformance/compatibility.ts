/**
 * What clients were seen to do with a broker, and the page that is made of it. Suites write their findings as JSON into
 * `test/conformance/results`, one file per suite; `compatibilityDocument` makes docs/compatibility.md of all of them.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface Finding {
  readonly client: string
  /** Of the client. */
  readonly version: string
  readonly feature: string
  readonly result: 'works' | 'fails' | 'not offered'
  /** Why, where it does not work. */
  readonly detail: string
}

/** From the root of the repository. */
export const RESULTS_FOLDER = join('test', 'conformance', 'results')

/** The page that is made of all findings. */
export const DOCUMENT = join('docs', 'compatibility.md')

/** Keeps what a suite found, and makes the page anew; `suite` names the file. */
export async function saveFindings(suite: string, findings: readonly Finding[]): Promise<void> {
  await mkdir(RESULTS_FOLDER, { recursive: true })
  await writeFile(join(RESULTS_FOLDER, `${suite}.json`), `${JSON.stringify(findings, null, 2)}\n`)
  await writeFile(DOCUMENT, compatibilityDocument(loadFindings()))
}

/** What all suites found last, by the name of their file. */
export function loadFindings(folder = RESULTS_FOLDER): Finding[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'))
  return files.sort().flatMap((file): Finding[] => JSON.parse(readFileSync(join(folder, file), 'utf8')))
}

const MARKS = { works: '✓', fails: '✗', 'not offered': '–' } as const

/** docs/compatibility.md: client × version × feature. */
export function compatibilityDocument(findings: readonly Finding[]): string {
  const clients = [...new Set(findings.map(nameOf))]
  const features = [...new Set(findings.map(({ feature }) => feature))]
  const found = new Map(findings.map((finding) => [`${nameOf(finding)}\n${finding.feature}`, finding]))
  const mark = (client: string, feature: string) => {
    const finding = found.get(`${client}\n${feature}`)
    return finding === undefined ? '' : MARKS[finding.result]
  }
  // Tools are checked one by one, clients by what they have in common: two tables read better than one.
  const isTool = (client: string) => client.startsWith('tool ')
  const tables = [clients.filter((client) => !isTool(client)), clients.filter(isTool)].map((columns) => {
    const rows = features.filter((feature) => columns.some((client) => mark(client, feature) !== ''))
    return columns.length === 0 ? [] : table(columns, rows, mark)
  })
  const failed = findings.filter(({ result }) => result === 'fails')
  return [
    '# Compatibility',
    '',
    'Each mark is a check that a real client, of the version named, ran against a real broker. The page is made by the test',
    'runs `npm run conformance` and `npm run conformance:java`, which run the same checks against Apache Kafka as the control',
    '(`--peer kafka`); they are in `test/conformance`.',
    '',
    '✓ works, ✗ fails, – the client does not have it, empty: not checked with this client.',
    '',
    ...(tables[0] ?? []),
    ...((tables[1]?.length ?? 0) > 0 ? ["## Apache Kafka's tools", '', ...(tables[1] ?? [])] : []),
    '## What fails',
    '',
    ...(failed.length === 0
      ? ['Nothing of what was checked.']
      : failed.map((f) => `- ${nameOf(f)}, ${f.feature}: ${f.detail}`)),
    ''
  ].join('\n')
}

function table(
  columns: readonly string[],
  rows: readonly string[],
  mark: (client: string, feature: string) => string
): string[] {
  return [
    `| | ${columns.join(' | ')} |`,
    `|---|${columns.map(() => ':-:').join('|')}|`,
    ...rows.map((feature) => `| ${feature} | ${columns.map((client) => mark(client, feature)).join(' | ')} |`),
    ''
  ]
}

function nameOf({ client, version }: Finding): string {
  return version === '' ? client : `${client} ${version}`
}
