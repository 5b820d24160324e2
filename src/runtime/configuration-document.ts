/** `docs/configuration.md`, made from the declaration; a test compares the file with it. */
import {
  allowedValues,
  flagOf,
  formatBytes,
  type Setting,
  settingGroups,
  variableOf
} from './configuration-settings.ts'

const introduction = `# Configuration

Made from \`src/runtime/configuration-settings.ts\`; \`npm test -- configuration\` fails when the two differ and says how to
write this page anew.

Each setting can be given in three ways, and the first that gives it wins:

1. as a flag of \`longhaul start\`: \`--kafka-port 9092\`; switches are \`--fleet\` and \`--no-fleet\`;
2. as an environment variable: \`LONGHAUL_KAFKA_PORT=9092\`, \`LONGHAUL_FLEET=false\`;
3. as a key of the YAML file that \`--config FILE\` or \`LONGHAUL_CONFIG\` names: \`kafkaPort: 9092\`.

A setting that does not exist or has a value that is not allowed keeps the node from starting.
`

export function configurationDocument(): string {
  const groups = Object.entries(settingGroups).map(
    ([title, group]) =>
      `\n## ${title}\n\n${Object.entries(group)
        .map(([name, setting]) => section(name, setting))
        .join('\n')}`
  )
  return introduction + groups.join('')
}

function section(name: string, setting: Setting): string {
  const lines = [
    `### ${name}`,
    '',
    `${setting.help} ${setting.cost}`,
    '',
    `- \`${flagOf(name)}\`, \`${variableOf(name)}\``,
    `- Default: ${defaultText(setting)}`,
    `- Allowed: ${allowedValues(setting)}`
  ]
  if (setting.kafka !== undefined) lines.push(`- Kafka calls it \`${setting.kafka}\`.`)
  return `${lines.join('\n')}\n`
}

/** As it could be typed. */
function defaultText(setting: Setting): string {
  switch (setting.kind) {
    case 'location':
      return `\`${setting.scheme}:///<dataDir>/${setting.defaultBelowDataDir}\``
    case 'bytes':
      return `\`${formatBytes(setting.default)}\``
    case 'text':
      return setting.default === undefined ? 'none' : `\`${setting.default}\``
    case 'profiles':
      return 'none'
    default:
      return `\`${setting.default}\``
  }
}
