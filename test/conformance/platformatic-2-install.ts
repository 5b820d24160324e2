/**
 * Installs, on demand and into the test cache, what `platformatic-2/package.json` names: @platformatic/kafka 2
 * and a Node.js new enough for it, both from the npm registry and without install scripts. Nobody else pays for them.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder } from './cache-folder.ts'
import { run } from './peer-process.ts'

/** Below dist, the compiled file stands as deep as its source below the root. */
const sourceFolder = fileURLToPath(new URL('../../../test/conformance/platformatic-2/', import.meta.url))

export interface Installed {
  /** Path of a Node.js binary. */
  readonly node: string
  /** Path of the client's main module. */
  readonly module: string
}

export async function installPlatformatic2(): Promise<Installed> {
  const lock = await readFile(join(sourceFolder, 'package-lock.json'))
  const digest = createHash('sha256').update(lock).digest('hex').slice(0, 12)
  const folder = join(cacheFolder(), `platformatic-2-${digest}`)
  if (!existsSync(folder)) await install(folder)
  const modules = join(folder, 'node_modules')
  return { node: nodeBinary(modules), module: join(modules, '@platformatic', 'kafka', 'dist', 'index.js') }
}

async function install(folder: string): Promise<void> {
  // Installed beside and renamed: a folder under its final name is complete.
  const partial = `${folder}-partial-${process.pid}`
  await mkdir(partial, { recursive: true })
  try {
    for (const file of ['package.json', 'package-lock.json'])
      await copyFile(join(sourceFolder, file), join(partial, file))
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--fetch-retries', '1']
    await run('npm', ['ci', ...flags], { cwd: partial, timeoutMs: 180_000 })
    await rename(partial, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error
    })
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

function nodeBinary(modules: string): string {
  const { platform, arch } = process
  for (const name of [`node-${platform}-${arch}`, `node-bin-${platform}-${arch}`]) {
    const binary = join(modules, name, 'bin', 'node')
    if (existsSync(binary)) return binary
  }
  throw new Error(`no Node.js binary for ${platform} ${arch} in ${modules}`)
}
