/**
 * A real PostgreSQL server for tests: started on a free port of 127.0.0.1 in a temporary folder, with a password.
 * Used by whoever wants to see code run against PostgreSQL; never part of a node.
 *
 * Its programs `initdb` and `postgres` are found in PATH, in /usr/lib/postgresql, or in the folder that
 * LONGHAUL_POSTGRES names (`apt-get install postgresql`). They refuse to run as root: root runs them as `nobody`.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, readdirSync } from 'node:fs'
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'

export const NO_POSTGRES =
  'no PostgreSQL server found: apt-get install postgresql (or set LONGHAUL_POSTGRES to the folder of initdb and postgres)'

const USER = 'longhaul'
/** With characters that must be escaped in a URL, and that no other text contains. */
const PASSWORD = 'se/cret:%@word'
const START_TIMEOUT_MS = 30_000
/** Of the user `nobody`, on every Linux. */
const NOBODY = 65_534
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '32MB',
  // A server that is killed loses nothing by it, only a machine would.
  fsync: 'off'
}

export interface PostgresOptions {
  /** Settings of the server besides those that suit tests; also of later starts. */
  readonly settings?: Readonly<Record<string, string>>
  /** Names of files in the server's folder, readable by it alone, and their contents: certificates. */
  readonly files?: Readonly<Record<string, string>>
}

/** Folder of the programs; undefined when there is none. */
function findPostgres(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const folders = [
    ...(process.env.LONGHAUL_POSTGRES === undefined ? [] : [process.env.LONGHAUL_POSTGRES]),
    ...(process.env.PATH ?? '').split(delimiter),
    ...versionsIn(debian).map((version) => join(debian, version, 'bin'))
  ]
  return folders.find((folder) => ['initdb', 'postgres'].every((program) => isProgram(join(folder, program))))
}

/** What `node:test` takes as the reason to skip; false when there is a server. */
export const skipWithoutPostgres: string | false = findPostgres() === undefined ? NO_POSTGRES : false

export class PostgresServer {
  readonly port: number
  readonly user = USER
  readonly password = PASSWORD
  readonly #programs: string
  readonly #folder: string
  readonly #settings: Readonly<Record<string, string>>
  #process: ChildProcess | undefined
  #databases = 0

  private constructor(programs: string, folder: string, port: number, settings: Readonly<Record<string, string>>) {
    this.#programs = programs
    this.#folder = folder
    this.port = port
    this.#settings = settings
  }

  /** Throws when there is none: ask `skipWithoutPostgres` first. */
  static async start({ settings = {}, files = {} }: PostgresOptions = {}): Promise<PostgresServer> {
    const programs = findPostgres()
    if (programs === undefined) throw new Error(NO_POSTGRES)
    const folder = await mkdtemp(join(tmpdir(), 'longhaul-postgres-'))
    const server = new PostgresServer(programs, folder, await freePort(), { ...SETTINGS, ...settings })
    try {
      await server.#initialise(files)
      await server.restart()
      return server
    } catch (error) {
      await server.stop()
      throw error
    }
  }

  /** The URL of a database that is made for it, empty. */
  async createDatabase(): Promise<string> {
    this.#databases += 1
    const name = `test_${this.#databases}`
    await this.query(`create database ${name}`)
    return this.url(name)
  }

  /** The URL of a database, also through a proxy at another port. */
  url(database: string, port = this.port): string {
    return `postgres://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/${database}`
  }

  /** Runs a statement as the superuser, on a connection of its own. */
  async query<Row extends object>(statement: string, database = 'postgres'): Promise<readonly Row[]> {
    const { port, user, password } = this
    const client = new Client({ host: '127.0.0.1', port, user, password, database, application_name: 'test' })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query(statement)).rows as Row[]
    } finally {
      await client.end()
    }
  }

  /** Ends the connections to the database, as an administrator may. Returns how many there were. */
  async terminateConnections(database: string): Promise<number> {
    const statement = `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}'`
    return (await this.query(statement)).length
  }

  /** Kills all its processes, as a crash of the machine would. */
  async kill(): Promise<void> {
    const running = this.#process
    this.#process = undefined
    if (running?.pid === undefined || running.exitCode !== null || running.signalCode !== null) return
    const ended = once(running, 'exit')
    // It leads a group that holds nothing but its own processes.
    process.kill(-running.pid, 'SIGKILL')
    await ended
  }

  /** Starts it when it does not run, on the same port and data, and waits until it answers. */
  async restart(): Promise<void> {
    for (const deadline = Date.now() + START_TIMEOUT_MS; ; ) {
      if (this.#process === undefined || this.#process.exitCode !== null) this.#spawn()
      try {
        await this.query('select 1')
        return
      } catch (cause) {
        if (Date.now() > deadline) {
          const log = await readFile(join(this.#folder, 'log'), 'utf8').catch(() => '')
          throw new Error(`PostgreSQL did not answer within ${START_TIMEOUT_MS} ms: ${log.slice(-2000)}`, { cause })
        }
      }
      await pause(50)
    }
  }

  /** Ends it and removes what it stored. */
  async stop(): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 })
  }

  async #initialise(files: Readonly<Record<string, string>>): Promise<void> {
    const passwordFile = join(this.#folder, 'password')
    await this.#write(passwordFile, PASSWORD)
    await chmod(this.#folder, 0o700)
    if (isRoot) await chown(this.#folder, NOBODY, NOBODY)
    const options = ['-D', this.#data, '-U', USER, '-E', 'UTF8', '--locale=C', '-A', 'scram-sha-256', '--no-sync']
    await promisify(execFile)(join(this.#programs, 'initdb'), [...options, `--pwfile=${passwordFile}`], this.#identity)
    for (const [name, contents] of Object.entries(files)) await this.#write(join(this.#data, name), contents)
  }

  #spawn(): void {
    const settings = Object.entries({ ...this.#settings, port: `${this.port}` })
    const options = settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const log = join(this.#folder, 'log')
    const command = `exec "$0" "$@" >>'${log}' 2>&1`
    this.#process = spawn('sh', ['-c', command, join(this.#programs, 'postgres'), '-D', this.#data, ...options], {
      ...this.#identity,
      detached: true,
      stdio: 'ignore'
    })
    // A test that ends early must not leave it behind.
    const { pid } = this.#process
    const end = () => pid !== undefined && process.kill(-pid, 'SIGKILL')
    process.once('exit', end)
    this.#process.once('exit', () => process.off('exit', end))
  }

  get #data(): string {
    return join(this.#folder, 'data')
  }

  get #identity() {
    return { cwd: this.#folder, ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}) }
  }

  async #write(path: string, contents: string): Promise<void> {
    await writeFile(path, contents, { mode: 0o600 })
    if (isRoot) await chown(path, NOBODY, NOBODY)
  }
}

const isRoot = process.getuid?.() === 0

function versionsIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort((a, b) => Number(b) - Number(a))
  } catch {
    return []
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
