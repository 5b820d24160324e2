/** The table of APIs in `docs/protocol.md`, made from the table that requests are dispatched by. A test compares them. */
import { assert } from '../runtime/fault.ts'
import type { ApiTable } from './apis.ts'

const BEGIN = '<!-- made from src/broker/apis.ts: begin -->'
const END = '<!-- made from src/broker/apis.ts: end -->'

/** `document` with the table it should have; fails when the marks between which the table stands are missing. */
export function withApiTable(document: string, apis: ApiTable): string {
  const begin = document.indexOf(BEGIN)
  const end = document.indexOf(END)
  assert(begin !== -1 && end > begin, `docs/protocol.md must have the lines ${BEGIN} and ${END}`)
  return `${document.slice(0, begin)}${BEGIN}\n\n${table(apis)}\n${document.slice(end)}`
}

function table(apis: ApiTable): string {
  const rows = [...apis.values()]
    .sort((a, b) => a.request.apiKey - b.request.apiKey)
    .map(({ request, advertisedFrom }) => {
      const served = `${request.minVersion}–${request.maxVersion}`
      const advertised = advertisedFrom === request.minVersion ? '' : ` (advertised from ${advertisedFrom})`
      return `| ${request.apiKey} | ${request.name} | ${served}${advertised} |`
    })
  return ['| key | API | versions |', '|---|---|---|', ...rows, ''].join('\n')
}
