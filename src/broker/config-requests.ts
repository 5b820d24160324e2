/** What AlterConfigs and IncrementalAlterConfigs ask of a request before they look at what it wants. */
import { type ConfigProblem, invalidRequest } from './config-alterations.ts'

interface NamedResource {
  readonly resourceType: number
  readonly resourceName: string
}

interface NamedValue {
  readonly name: string
  readonly value: string | null
}

/** Whether the request names the resource more than once: then none of them is changed. */
export function isRepeated({ resourceType, resourceName }: NamedResource, all: readonly NamedResource[]): boolean {
  return all.filter((other) => other.resourceType === resourceType && other.resourceName === resourceName).length > 1
}

/** `valued`: those of `configs` that need a value. */
export function requestProblem(
  valued: readonly NamedValue[],
  configs: readonly NamedValue[]
): ConfigProblem | undefined {
  const names = configs.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) return invalidRequest(`${twice} is changed twice in the request.`)
  const missing = valued.filter(({ value }) => value === null).map(({ name }) => name)
  return missing.length === 0 ? undefined : invalidRequest(`Null value not supported for: ${missing.join(', ')}`)
}
