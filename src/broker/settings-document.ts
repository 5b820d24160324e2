/** The tables of docs/settings.md, made from the declarations that requests are checked by. A test compares them. */
import { assert } from '../runtime/fault.ts'
import { BROKER_SETTINGS } from './settings/broker-declarations.ts'
import { CLIENT_METRICS_SETTINGS } from './settings/client-metrics-declarations.ts'
import { GROUP_SETTINGS } from './settings/group-declarations.ts'
import type { SettingDeclaration } from './settings/setting.ts'
import { TOPIC_SETTINGS } from './settings/topic-declarations.ts'

/** `document` with the tables it should have; fails when the marks between which one stands are missing. */
export function withSettingTables(document: string): string {
  const tables: Readonly<Record<string, string>> = {
    topics: table(TOPIC_SETTINGS, ({ brokerName }) => brokerName ?? ''),
    groups: table(GROUP_SETTINGS, ({ brokerName }) => brokerName ?? ''),
    'client metrics': table(CLIENT_METRICS_SETTINGS),
    brokers: table(BROKER_SETTINGS, ({ dynamic }) => (dynamic ? 'yes' : 'no'), 'changes at run time')
  }
  return Object.entries(tables).reduce(replaceTable, document)
}

function replaceTable(document: string, [name, made]: [string, string]): string {
  const [begin, end] = [`<!-- settings of ${name}: begin -->`, `<!-- settings of ${name}: end -->`]
  const [from, to] = [document.indexOf(begin), document.indexOf(end)]
  assert(from !== -1 && to > from, `docs/settings.md must have the lines ${begin} and ${end}`)
  return `${document.slice(0, from)}${begin}\n\n${made}\n${document.slice(to)}`
}

function table<Declaration extends SettingDeclaration>(
  settings: ReadonlyMap<string, Declaration>,
  more?: (declaration: Declaration) => string,
  title = 'default of all, at the broker'
): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const head = ['setting', 'must be', 'default', ...(more === undefined ? [] : [title]), 'what it does here']
  const rows = [...settings].map(([name, declaration]) => {
    const fallback = declaration.default === undefined ? 'none' : `\`${declaration.default}\``
    const cells = [`\`${name}\``, declaration.allowed, declaration.default === '' ? 'empty' : fallback]
    const extra = more?.(declaration)
    const shown = extra === undefined ? [] : [extra.includes('.') ? `\`${extra}\`` : extra]
    return row([...cells, ...shown, declaration.documentation])
  })
  return [row(head), row(head.map(() => '---')), ...rows, ''].join('\n')
}
