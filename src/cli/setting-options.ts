/** Settings as options of a command. Values stay as typed: `loadConfiguration` checks them, whatever their origin. */
import { Option } from 'commander'
import { flagOf, formatBytes, type Setting, type SettingName, settings } from '../runtime/configuration-settings.ts'

export function settingOptions(names: readonly SettingName[]): Option[] {
  return names.flatMap((name) => {
    const setting: Setting = settings[name]
    return setting.kind === 'switch' ? switchOptions(name, setting) : [valueOption(name, setting)]
  })
}

/** Both forms work; help shows the one that changes something. */
function switchOptions(name: SettingName, setting: Setting & { kind: 'switch' }): Option[] {
  const on = flagOf(name)
  const off = on.replace('--', '--no-')
  const shown = setting.default ? `Switch off: ${setting.help}` : setting.help
  return [
    new Option(on, setting.default ? setting.help : shown).hideHelp(setting.default),
    new Option(off, shown).hideHelp(!setting.default)
  ]
}

const placeholders = { text: 'text', integer: 'n', bytes: 'bytes', location: 'url', profiles: 'name=url,…' } as const

function valueOption(name: SettingName, setting: Exclude<Setting, { kind: 'switch' }>): Option {
  const placeholder = setting.kind === 'choice' ? setting.choices.join('|') : placeholders[setting.kind]
  return new Option(`${flagOf(name)} <${placeholder}>`, `${setting.help}${defaultNote(setting)}`)
}

function defaultNote(setting: Exclude<Setting, { kind: 'switch' }>): string {
  if (setting.kind === 'location') return ` Default: ${setting.defaultBelowDataDir} in the data directory.`
  if (setting.default === undefined || setting.kind === 'profiles') return ''
  return ` Default: ${setting.kind === 'bytes' ? formatBytes(setting.default) : setting.default}.`
}
