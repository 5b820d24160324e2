/**
 * What the Java suite runs on, made once into the test cache: jars from Maven Central, and the sources below `src`
 * compiled against each version of the clients. It needs `java` and `javac` 17 or newer, and `mvn` for the download.
 *
 * KAFKA_LIB names a folder that has all jars of the newer version already, KAFKA_OLD_LIB one with those of the older.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder } from '../cache-folder.ts'
import { KAFKA_VERSION } from '../kafka/kafka.ts'
import { commandExists, run } from '../peer-process.ts'

export const OLD_VERSION = '3.9.2'
const OLD_CLASSES = ['common', 'v3']
const CLASSES = ['common', 'v4', 'streams', 'tools', 'broker']
const KAFKA_ARTIFACTS = ['kafka_2.13', 'kafka-tools', 'kafka-clients', 'kafka-streams']
/** With the classifier `test`: the smoke test of Streams, and what it needs. */
const TEST_ARTIFACTS = ['kafka-clients', 'kafka-streams']
const CONNECT_ARTIFACTS = ['connect-runtime', 'connect-json', 'connect-file', 'connect-mirror']

/** From the root of the repository, where every script runs. */
const SOURCE_FOLDER = join('test', 'conformance', 'java', 'src')

/** Class paths, ready for `-cp`. */
export interface JavaSetUp {
  /** Broker, tools, clients, streams and connect of the newest version, with our classes. */
  readonly newest: string
  /** The clients of an older version, with those of our classes that they can run. */
  readonly older: string
}

/** Makes what is missing. */
export async function setUpJava(): Promise<JavaSetUp> {
  const jars = process.env.KAFKA_LIB ?? (await downloadJars(KAFKA_VERSION, artifacts(), TEST_ARTIFACTS))
  const oldJars = process.env.KAFKA_OLD_LIB ?? (await downloadJars(OLD_VERSION, ['kafka-clients']))
  await requireJars(jars)
  return {
    newest: `${await compile(jars, KAFKA_VERSION, CLASSES)}:${jars}/*`,
    older: `${await compile(oldJars, OLD_VERSION, OLD_CLASSES)}:${oldJars}/*`
  }
}

/** Why the suite cannot run here without a download; undefined when it can. */
export async function whyNoJava(): Promise<string | undefined> {
  if (!(await commandExists('javac', ['-version']))) return 'needs a JDK (17 or newer): javac is not there'
  const newest = process.env.KAFKA_LIB ?? jarFolder(KAFKA_VERSION)
  const older = process.env.KAFKA_OLD_LIB ?? jarFolder(OLD_VERSION)
  if ((await missingJars(newest)).length > 0 || !existsSync(older)) {
    return 'needs the jars of Apache Kafka: `npm run conformance:java` downloads them once'
  }
  return undefined
}

function artifacts(): string[] {
  return [...KAFKA_ARTIFACTS, ...CONNECT_ARTIFACTS]
}

function jarFolder(version: string): string {
  return join(cacheFolder(), `java-jars-${version}`)
}

async function missingJars(folder: string): Promise<string[]> {
  const present = existsSync(folder) ? await readdir(folder) : []
  const wanted = [
    ...artifacts().map((artifact) => `${artifact}-${KAFKA_VERSION}.jar`),
    ...TEST_ARTIFACTS.map((artifact) => `${artifact}-${KAFKA_VERSION}-test.jar`)
  ]
  return wanted.filter((jar) => !present.includes(jar))
}

async function requireJars(folder: string): Promise<void> {
  const missing = await missingJars(folder)
  if (missing.length === 0) return
  throw new Error(`${folder} lacks ${missing.join(', ')}: complete it, or unset KAFKA_LIB`)
}

async function downloadJars(version: string, names: readonly string[], tests: readonly string[] = []) {
  const folder = jarFolder(version)
  if (existsSync(folder)) return folder
  process.stderr.write(`downloading Apache Kafka ${version} from Maven Central …\n`)
  // Downloaded beside and renamed: a folder under its final name is complete.
  const partial = `${folder}-partial-${process.pid}`
  await mkdir(partial, { recursive: true })
  try {
    const pom = join(partial, 'pom.xml')
    await writeFile(pom, projectFile(version, names, tests))
    const copy = ['dependency:copy-dependencies', `-DoutputDirectory=${partial}`]
    await run('mvn', ['-q', '-B', '-f', pom, ...copy], { timeoutMs: 900_000 })
    await rename(partial, folder)
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
  return folder
}

function projectFile(version: string, names: readonly string[], tests: readonly string[]): string {
  const dependency = (group: string, name: string, of: string, more = ''): string =>
    `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${of}</version>${more}</dependency>`
  const dependencies = names.map((name) => dependency('org.apache.kafka', name, version))
  for (const name of tests) {
    dependencies.push(dependency('org.apache.kafka', name, version, '<classifier>test</classifier>'))
  }
  dependencies.push(dependency('org.slf4j', 'slf4j-simple', '1.7.36'))
  return `<project><modelVersion>4.0.0</modelVersion><groupId>longhaul</groupId><artifactId>conformance</artifactId>
<version>1</version><dependencies>${dependencies.join('\n')}</dependencies></project>\n`
}

/** Compiles the sources of the folders against the jars; the result is kept under a name made of what went in. */
async function compile(jars: string, version: string, folders: readonly string[]): Promise<string> {
  const sources = (await Promise.all(folders.map(javaFiles))).flat()
  const digest = createHash('sha256').update(jars)
  for (const source of sources) digest.update(source).update(await readFile(source))
  const classes = join(cacheFolder(), `java-classes-${version}-${digest.digest('hex').slice(0, 12)}`)
  if (existsSync(classes)) return classes
  const partial = `${classes}-partial-${process.pid}`
  await mkdir(partial, { recursive: true })
  try {
    const flags = ['-J-Xmx256m', '-nowarn', '--release', '17', '-cp', `${jars}/*`, '-d', partial]
    await run('javac', [...flags, ...sources], { timeoutMs: 180_000 })
    await rename(partial, classes)
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
  return classes
}

async function javaFiles(folder: string): Promise<string[]> {
  const names = await readdir(join(SOURCE_FOLDER, folder))
  return names
    .filter((name) => name.endsWith('.java'))
    .sort()
    .map((name) => join(SOURCE_FOLDER, folder, name))
}
