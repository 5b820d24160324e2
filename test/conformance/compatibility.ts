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
  const groups = withCommonFeatures(findings)
  const compared = groups.filter((clients) => clients.length > 1)
  const alone = groups.filter((clients) => clients.length === 1).flat()
  const checks = findings.filter((finding) => alone.includes(nameOf(finding)))
  const remarks = findings.filter(({ result }) => result !== 'works')
  return [
    '# Compatibility',
    '',
    'Each mark is a check that a real client, of the version named, ran against a real broker. The page is made by the test',
    'runs `npm run conformance` and `npm run conformance:java`, which run the same checks against Apache Kafka as the control',
    '(`--peer kafka`); they are in `test/conformance`.',
    '',
    '✓ works, ✗ fails, – not offered (the reasons are below), empty: not checked with this client.',
    '',
    '## Clients',
    '',
    ...compared.flatMap((clients) => comparison(clients, findings)),
    '## Programs and tools',
    '',
    ...table(
      ['program', 'check', 'result'],
      checks.map((finding) => [nameOf(finding).replace(/^tool /, ''), finding.feature, MARKS[finding.result]])
    ),
    '## What does not work',
    '',
    ...(remarks.length === 0
      ? ['Everything that was checked works.']
      : remarks.map((f) => `- ${MARKS[f.result]} ${nameOf(f)}, ${f.feature}: ${f.detail}`)),
    ''
  ].join('\n')
}

/** Clients that were checked for the same features, and can be compared; tools and whole programs stand alone. */
function withCommonFeatures(findings: readonly Finding[]): string[][] {
  const groups: { clients: string[]; features: Set<string> }[] = []
  for (const client of new Set(findings.map(nameOf))) {
    const features = findings.filter((finding) => nameOf(finding) === client).map(({ feature }) => feature)
    const isTool = client.startsWith('tool ')
    const group = groups.find((one) => !isTool && features.some((feature) => one.features.has(feature)))
    if (group === undefined) groups.push({ clients: [client], features: new Set(isTool ? [] : features) })
    else {
      group.clients.push(client)
      for (const feature of features) group.features.add(feature)
    }
  }
  return groups.map((group) => group.clients)
}

/** Rows are features, columns clients. */
function comparison(clients: readonly string[], findings: readonly Finding[]): string[] {
  const own = findings.filter((finding) => clients.includes(nameOf(finding)))
  const found = new Map(own.map((finding) => [`${nameOf(finding)}\n${finding.feature}`, MARKS[finding.result]]))
  const rows = [...new Set(own.map(({ feature }) => feature))].map((feature) => [
    feature,
    ...clients.map((client) => found.get(`${client}\n${feature}`) ?? '')
  ])
  return table(['', ...clients], rows)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line), '']
}

function nameOf({ client, version }: Finding): string {
  return version === '' ? client : `${client} ${version}`
}
