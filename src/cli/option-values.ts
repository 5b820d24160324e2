/** Parsers of option values; each says what is allowed. */
import { InvalidArgumentError } from 'commander'

export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`
    throw new InvalidArgumentError(`It must be a whole number, ${range}.`)
  }
}

function pair(text: string): [name: string, value: string] {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It must be name=value.')
  return [text.slice(0, at), text.slice(at + 1)]
}

/** Collects a repeatable `name=value` option. */
export const collectPairs = (text: string, before: readonly [string, string][]): [string, string][] => [
  ...before,
  pair(text)
]
