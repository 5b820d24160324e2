/**
 * Finds where the members of a JSON object stand in its text, so that a value can be passed on exactly as it was
 * written: `1.10`, `1E400` or a 20-digit integer would not survive `JSON.parse` and `JSON.stringify`.
 *
 * Invariant: the text is valid JSON and its outermost value an object (the caller has parsed it). It does not validate.
 */

const quote = 0x22
const backslash = 0x5c

/** Returns the text of each member's value, without surrounding white space; the last of equal names wins, as in `JSON.parse`. */
export function memberTexts(text: string): Map<string, string> {
  const members = new Map<string, string>()
  let position = text.indexOf('{') + 1
  for (;;) {
    position = skipSpace(text, position)
    if (text[position] === '}') return members
    if (text[position] === ',') position = skipSpace(text, position + 1)
    const nameEnd = stringEnd(text, position)
    const name: string = JSON.parse(text.slice(position, nameEnd))
    const start = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const end = valueEnd(text, start)
    members.set(name, text.slice(start, end))
    position = end
  }
}

function skipSpace(text: string, from: number): number {
  let position = from
  while (text.charCodeAt(position) <= 0x20) position++
  return position
}

/** The position after the string that opens at `from`. */
function stringEnd(text: string, from: number): number {
  let position = from + 1
  for (;;) {
    const code = text.charCodeAt(position)
    if (code === quote) return position + 1
    position += code === backslash ? 2 : 1
  }
}

/** The position after the value that begins at `from`. */
function valueEnd(text: string, from: number): number {
  const first = text[from]
  if (first === '"') return stringEnd(text, from)
  if (first !== '{' && first !== '[') {
    let position = from
    while (!',}] \t\r\n'.includes(text.charAt(position))) position++
    return position
  }
  let depth = 0
  let position = from
  for (;;) {
    const char = text[position]
    if (char === '"') {
      position = stringEnd(text, position)
      continue
    }
    if (char === '{' || char === '[') depth++
    else if ((char === '}' || char === ']') && --depth === 0) return position + 1
    position++
  }
}
