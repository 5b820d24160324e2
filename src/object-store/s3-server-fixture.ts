/**
 * A real S3 server for tests: started on a free port of 127.0.0.1 in a temporary folder, with an empty bucket.
 * Used by whoever wants to see code run against S3; never part of a node.
 *
 * - versitygw: `go install github.com/versity/versitygw/cmd/versitygw@latest`; found in PATH, ~/go/bin, or where
 *   LONGHAUL_VERSITYGW points.
 * - moto: `pip install 'moto[server]'`; found in PATH, or where LONGHAUL_MOTO points.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { S3Credentials } from './s3-client.ts'

export type S3ServerName = 'versitygw' | 'moto'

export interface S3ServerProgram {
  readonly name: S3ServerName
  readonly path: string
}

export interface S3Server {
  readonly name: S3ServerName
  /** Of the empty bucket: s3://bucket?endpoint=…; add a prefix with `locationIn`. */
  readonly url: string
  readonly endpoint: string
  readonly credentials: S3Credentials
  /** What a process needs in its environment to reach the server. */
  readonly environment: Readonly<Record<string, string>>
  /** Ends the server and removes what it stored. */
  stop(): Promise<void>
}

export const NO_S3_SERVER =
  'no S3 server found: go install github.com/versity/versitygw/cmd/versitygw@latest (or set LONGHAUL_VERSITYGW), ' +
  "or pip install 'moto[server]' (or set LONGHAUL_MOTO)"

const BUCKET = 'longhaul-test'
const CREDENTIALS = { accessKeyId: 'longhaul', secretAccessKey: 'longhaul-secret' }
const START_TIMEOUT_MS = 20_000

/** The programs on this machine, the best first. */
export function findS3Servers(): readonly S3ServerProgram[] {
  const candidates: readonly (readonly [S3ServerName, string | undefined])[] = [
    ['versitygw', process.env.LONGHAUL_VERSITYGW ?? inPath('versitygw') ?? goProgram('versitygw')],
    ['moto', process.env.LONGHAUL_MOTO ?? inPath('moto_server')]
  ]
  return candidates.flatMap(([name, path]) => (path !== undefined && isProgram(path) ? [{ name, path }] : []))
}

export function findS3Server(): S3ServerProgram | undefined {
  return findS3Servers()[0]
}

/** Starts the program, by default the best there is. Throws when there is none: ask `findS3Server` first. */
export async function startS3Server(program: S3ServerProgram | undefined = findS3Server()): Promise<S3Server> {
  if (program === undefined) throw new Error(NO_S3_SERVER)
  const folder = await mkdtemp(join(tmpdir(), 'longhaul-s3-'))
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const server = await start(program, folder, port)
  const stop = async () => {
    if (server.exitCode === null && server.signalCode === null) {
      const ended = once(server, 'exit')
      server.kill('SIGKILL')
      await ended
    }
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await answering(endpoint, server)
    if (program.name === 'moto') await fetch(`${endpoint}/${BUCKET}`, { method: 'PUT' })
  } catch (error) {
    await stop()
    throw error
  }
  return {
    name: program.name,
    url: `s3://${BUCKET}?endpoint=${endpoint}`,
    endpoint,
    credentials: CREDENTIALS,
    environment: {
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey
    },
    stop
  }
}

/** The same bucket below a prefix, so that tests that share a server do not meet. */
export function locationIn(server: S3Server, prefix: string): string {
  return `s3://${BUCKET}/${prefix}?endpoint=${server.endpoint}`
}

async function start(program: S3ServerProgram, folder: string, port: number): Promise<ChildProcess> {
  const options = { cwd: folder, stdio: 'ignore' } as const
  if (program.name === 'moto') return spawn(program.path, ['-H', '127.0.0.1', '-p', `${port}`], options)
  // A bucket is a folder.
  await mkdir(join(folder, 'buckets', BUCKET), { recursive: true })
  const { accessKeyId, secretAccessKey } = CREDENTIALS
  return spawn(program.path, ['--quiet', '--keep-alive', '--port', `127.0.0.1:${port}`, 'posix', 'buckets'], {
    ...options,
    env: { ...process.env, ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey }
  })
}

async function answering(endpoint: string, server: ChildProcess): Promise<void> {
  const failed = once(server, 'error').then(([error]) => Promise.reject(error))
  failed.catch(() => undefined)
  for (const deadline = Date.now() + START_TIMEOUT_MS; ; ) {
    const answer = await Promise.race([fetch(endpoint).catch(() => undefined), failed])
    if (answer !== undefined) return
    if (server.exitCode !== null) throw new Error(`the S3 server ended with status ${server.exitCode}`)
    if (Date.now() > deadline) throw new Error(`the S3 server did not answer within ${START_TIMEOUT_MS} ms`)
    await pause(50)
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

function inPath(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isProgram)
}

function goProgram(name: string): string | undefined {
  const inHome = join(homedir(), 'go', 'bin', name)
  if (isProgram(inHome)) return inHome
  try {
    const folder = execFileSync('go', ['env', 'GOPATH'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return join(folder.trim(), 'bin', name)
  } catch {
    return undefined
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
