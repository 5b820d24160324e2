import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type ConfigurationSources, loadConfiguration, pathOfLocation } from './configuration.ts'
import { configurationDocument } from './configuration-document.ts'
import { flagOf, formatBytes, parseBytes, settingNames, settings, variableOf } from './configuration-settings.ts'
import { isFault } from './fault.ts'

function load(given: Partial<ConfigurationSources> & { file?: string }) {
  return loadConfiguration({
    flags: given.file === undefined ? {} : { config: 'longhaul.yaml' },
    env: {},
    readFile: () => given.file ?? assert.fail('no file was named'),
    workingDirectory: '/srv',
    ...given
  })
}

/** Asserts that loading fails as Fault `invalid` and that the message contains every part. */
function refuses(given: Parameters<typeof load>[0], ...parts: string[]) {
  assert.throws(
    () => load(given),
    (error: unknown) => {
      assert.ok(isFault(error, 'invalid'), String(error))
      for (const part of parts) assert.ok(error.message.includes(part), `${error.message}\nlacks: ${part}`)
      return true
    }
  )
}

describe('configuration', () => {
  test('without anything given every setting has its default, below the data directory', () => {
    const configuration = load({})
    assert.equal(configuration.kafkaPort, 9092)
    assert.equal(configuration.dataDir, '/srv/data')
    assert.equal(configuration.objectStore, 'file:///srv/data/objects')
    assert.equal(configuration.metadata, 'sqlite:///srv/data/metadata.sqlite')
    assert.equal(configuration.rack, undefined)
    assert.equal(configuration.messageBytesMax, 1_048_588)
  })

  test('a flag wins over the environment, which wins over the file, which wins over the default', () => {
    const file = 'kafkaPort: 1\nmqttPort: 1\nhttpPort: 1\n'
    const env = { LONGHAUL_KAFKA_PORT: '2', LONGHAUL_MQTT_PORT: '2' }
    const configuration = load({ file, env, flags: { config: 'longhaul.yaml', kafkaPort: '3' } })
    assert.deepEqual([configuration.kafkaPort, configuration.mqttPort, configuration.httpPort], [3, 2, 1])
    assert.equal(configuration.nodeId, 1)
  })

  test('every default is itself allowed, whichever way it is given', () => {
    const defaults = load({})
    for (const name of settingNames) {
      const value = defaults[name]
      if (value === undefined || typeof value === 'object') continue
      assert.equal(load({ flags: { [name]: String(value) } })[name], value, name)
      assert.equal(load({ env: { [variableOf(name)]: String(value) } })[name], value, name)
      assert.equal(load({ file: JSON.stringify({ [name]: value }) })[name], value, name)
    }
  })

  test('stores and logs are named by URLs, profiles by names with URLs, as text or as keys', () => {
    const bucket = 's3://bucket/prefix?region=eu-central-1'
    assert.equal(load({ flags: { objectStore: bucket } }).objectStore, bucket)
    assert.equal(load({ flags: { wal: 'object:' } }).wal, 'object:')
    for (const wal of ['object:x', 's3://bucket', 'object']) refuses({ flags: { wal } }, 'wal is', 'object:')
    for (const objectStore of ['s3://', 'object:', 'http://host']) refuses({ flags: { objectStore } }, 's3://bucket')
    const profiles = { eu: bucket, us: 'file:///srv/us' }
    assert.deepEqual(load({}).objectStoreProfiles, {})
    assert.deepEqual(
      load({ flags: { objectStoreProfiles: `eu=${bucket},us=file:///srv/us` } }).objectStoreProfiles,
      profiles
    )
    assert.deepEqual(load({ file: JSON.stringify({ objectStoreProfiles: profiles }) }).objectStoreProfiles, profiles)
    for (const objectStoreProfiles of ['eu', 'eu=', `EU=${bucket}`, `eu=${bucket},`, '=file:///srv']) {
      refuses({ flags: { objectStoreProfiles } }, 'objectStoreProfiles is', 'eu=s3://')
    }
    refuses({ flags: { objectStoreProfiles: `default=${bucket}` } }, 'objectStoreProfiles', 'objectStore')
    refuses({ file: JSON.stringify({ objectStoreProfiles: ['x'] }) }, 'objectStoreProfiles is')
  })

  test('every number just outside its bounds is refused with the bounds', () => {
    for (const name of settingNames) {
      const setting = settings[name]
      if (setting.kind !== 'integer' && setting.kind !== 'bytes') continue
      for (const value of [setting.min - 1, setting.max + 1]) {
        refuses({ env: { [variableOf(name)]: String(value) } }, name, variableOf(name), 'must be')
      }
    }
  })

  test('a bad value names the setting, where it came from and what is allowed', () => {
    refuses({ flags: { kafkaPort: 'x' } }, 'kafkaPort is "x"', 'flag --kafka-port', 'a whole number from 0 to 65535')
    refuses({ env: { LONGHAUL_FLEET: 'maybe' } }, 'environment variable LONGHAUL_FLEET', 'true or false')
    refuses({ env: { LONGHAUL_FLEET: 'constructor' } }, 'true or false')
    refuses({ file: 'logLevel: loud' }, 'logLevel', 'key in longhaul.yaml', 'debug, info, warn, error')
    refuses({ flags: { wal: 's3://bucket' } }, 'flag --wal', 'file:///…')
    refuses({ flags: { wal: 'file://host/wal' } }, 'flag --wal', 'file:///…')
    refuses({ flags: { metadata: 'mysql://host/x' } }, 'flag --metadata', 'sqlite:///…', 'postgres://user@host')
    refuses({ flags: { rack: '' } }, 'flag --rack', 'not empty')
    refuses({ file: 'nodeId: 1.5' }, 'nodeId is 1.5')
  })

  test('a refused URL is shown without its password', () => {
    const sources = { flags: { metadata: 'mysql://user:secret@host/x', wal: 'file://a:secret@b/c' }, env: {} }
    assert.throws(
      () => loadConfiguration({ ...sources, readFile: () => '', workingDirectory: '/' }),
      (error: Error) => error.message.includes('mysql://…@host/x') && !error.message.includes('secret')
    )
  })

  test('all problems are reported at once', () => {
    refuses({ file: 'kafkaPort: -1\nnodeID: 3\n', env: { LONGHAUL_MQTT_PORT: '' } }, 'kafkaPort', 'nodeID', 'mqttPort')
  })

  test('an unknown name is refused and the one that was meant is named', () => {
    refuses({ file: 'kafka-port: 1' }, 'key kafka-port in longhaul.yaml is not a setting', 'did you mean kafkaPort?')
    refuses({ env: { LONGHAUL_DATADIR: '/x' } }, 'did you mean LONGHAUL_DATA_DIR?')
    refuses({ file: 'toString: 1' }, 'toString')
    refuses({ file: 'colour: red' }, 'docs/configuration.md')
  })

  test('variables that Kubernetes sets for a service of our name do not keep a node from starting', () => {
    const env = {
      LONGHAUL_PORT: 'tcp://10.0.0.1:9092',
      LONGHAUL_SERVICE_HOST: '10.0.0.1',
      LONGHAUL_SERVICE_PORT: '9092',
      LONGHAUL_SERVICE_PORT_KAFKA: '9092',
      LONGHAUL_PORT_9092_TCP_ADDR: '10.0.0.1'
    }
    assert.equal(load({ env }).kafkaPort, 9092)
  })

  test('a file that is missing, not YAML or not a mapping is refused by name', () => {
    const readFile = () => {
      throw new Error('ENOENT: no such file')
    }
    refuses({ flags: { config: 'gone.yaml' }, readFile }, 'gone.yaml', 'no such file')
    refuses({ file: 'a: [' }, 'longhaul.yaml')
    refuses({ file: '- a\n' }, 'longhaul.yaml', 'kafkaPort: 9092')
    assert.equal(load({ file: '# only a comment\n' }).kafkaPort, 9092)
  })

  test('listening beyond the loopback needs to be asked for by name', () => {
    refuses({ flags: { host: '0.0.0.0' } }, '--allow-unauthenticated-clients', '127.0.0.1')
    refuses({ flags: { host: '127.evil.example' } }, '--allow-unauthenticated-clients')
    assert.equal(load({ flags: { host: '0.0.0.0', allowUnauthenticatedClients: true } }).host, '0.0.0.0')
    for (const host of ['127.0.0.2', '::1', 'localhost']) assert.equal(load({ flags: { host } }).host, host)
  })

  test('a location gives its path back, also when it holds spaces and signs', () => {
    const configuration = load({ flags: { dataDir: '/a b/50%/d#1' } })
    assert.equal(pathOfLocation(configuration.wal), '/a b/50%/d#1/wal')
    assert.equal(pathOfLocation(configuration.metadata), '/a b/50%/d#1/metadata.sqlite')
  })

  test('bytes are read as they are written', () => {
    for (const bytes of [1, 1023, 1024, 1_048_588, 3 * 2 ** 20, 5 * 2 ** 30]) {
      assert.equal(parseBytes(formatBytes(bytes)), bytes)
    }
    assert.equal(parseBytes('12 MB'), undefined)
  })

  test('names of flags and variables derive from the setting and do not collide', () => {
    assert.equal(flagOf('dataDir'), '--data-dir')
    assert.equal(variableOf('dataDir'), 'LONGHAUL_DATA_DIR')
    assert.equal(new Set(settingNames.map(flagOf)).size, settingNames.length)
  })

  test('docs/configuration.md says what the declaration says', () => {
    const path = join(process.cwd(), 'docs', 'configuration.md')
    const remedy =
      "write it anew: npm run build && node -e \"import('./dist/src/runtime/configuration-document.js')" +
      '.then((m) => process.stdout.write(m.configurationDocument()))" > docs/configuration.md'
    assert.ok(readFileSync(path, 'utf8') === configurationDocument(), remedy)
  })
})
