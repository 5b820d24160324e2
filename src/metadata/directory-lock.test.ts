import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isFault } from '../runtime/fault.ts'
import { DirectoryLock } from './directory-lock.ts'

const MODULE = new URL(import.meta.resolve('./directory-lock.js')).href
const OWNER = `
  const { DirectoryLock } = await import(${JSON.stringify(MODULE)})
  globalThis.lock = DirectoryLock.acquire({ directory: process.argv[1], what: 'data directory', flag: '--data-dir' })
  console.log('locked')
  setInterval(() => {}, 1000)
`

const acquire = (directory: string) => DirectoryLock.acquire({ directory, what: 'data directory', flag: '--data-dir' })

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'longhaul-lock-'))
})
after(() => rm(root, { recursive: true }))

/** A process that holds the lock of `directory` until it dies. */
async function startOwner(directory: string): Promise<ChildProcess> {
  const owner = spawn(process.execPath, ['--input-type=module', '-e', OWNER, directory], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const [line] = await Promise.race([once(owner.stdout, 'data'), once(owner, 'exit')])
  assert.equal(String(line).trim(), 'locked')
  return owner
}

async function kill(owner: ChildProcess): Promise<void> {
  owner.kill('SIGKILL')
  await once(owner, 'exit')
}

test('a directory that a live process owns is refused with its name, its owner and what to do', async () => {
  const directory = join(root, 'owned')
  const owner = await startOwner(directory)
  try {
    assert.throws(
      () => acquire(directory),
      (error) => {
        assert.ok(isFault(error, 'conflict'))
        assert.ok(error.message.includes(directory))
        assert.ok(error.message.includes(`process ${owner.pid}`), error.message)
        assert.match(error.message, /--data-dir/)
        return true
      }
    )
  } finally {
    await kill(owner)
  }
})

test('the lock of a process that was killed is free at once, whatever it left behind', async () => {
  const directory = join(root, 'killed')
  for (let round = 0; round < 2; round++) await kill(await startOwner(directory))
  acquire(directory).release()
})

test('a process is refused its own directory while it holds it, and gets it again after release', () => {
  const directory = join(root, 'own')
  const lock = acquire(directory)
  assert.throws(
    () => acquire(directory),
    (error) => isFault(error, 'conflict')
  )
  lock.release()
  lock.release()
  acquire(directory).release()
})

test('two directories do not disturb each other', () => {
  const locks = ['a', 'b'].map((name) => acquire(join(root, name)))
  for (const lock of locks) lock.release()
})

test('a directory that cannot be one is invalid', async () => {
  const file = join(root, 'file')
  await writeFile(file, '')
  assert.throws(
    () => acquire(join(file, 'inside')),
    (error) => isFault(error, 'invalid')
  )
})
