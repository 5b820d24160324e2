/**
 * The clients in other languages: programs that run their checks against a broker and print a JSON line for each.
 * What they need is put into the test cache once: a virtual environment of Python, binaries built by Go.
 */
import { existsSync } from 'node:fs'
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder } from '../cache-folder.ts'
import type { Finding } from '../compatibility.ts'
import { PeerProcess, run } from '../peer-process.ts'

const SETUP_MS = 300_000
const RUN_MS = 600_000

/** Below dist, the compiled file stands as deep as its source below the root. */
const sources = fileURLToPath(new URL('../../../../test/conformance/clients/', import.meta.url))

export interface ClientProgram {
  readonly name: string
  /** Prepares it; resolves with the command that runs it, to which the broker's address is added. */
  readonly prepare: () => Promise<readonly string[]>
}

export const clientPrograms: readonly ClientProgram[] = [
  { name: 'confluent-kafka', prepare: () => python('confluent.py') },
  { name: 'aiokafka', prepare: () => python('aiokafka_client.py') },
  { name: 'kafka-python', prepare: () => python('kafka_python_client.py') },
  { name: 'franz-go', prepare: () => go('franz') },
  { name: 'sarama', prepare: () => go('sarama') }
]

/** Runs some of a program's checks, or all when none is named. Fails when the program itself does. */
export async function programFindings(
  program: ClientProgram,
  bootstrap: string,
  features: readonly string[] = []
): Promise<Finding[]> {
  const [command = '', ...args] = await program.prepare()
  const running = new PeerProcess(command, [...args, bootstrap, ...features])
  const timer = setTimeout(() => running.child.kill('SIGKILL'), RUN_MS)
  const status = await running.ended
  clearTimeout(timer)
  const findings = running.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): Finding => JSON.parse(line))
  if (status !== 0 && findings.length === 0)
    throw new Error(`${program.name} ended with ${status}: ${running.lastOutput()}`)
  return findings
}

async function python(program: string): Promise<string[]> {
  const folder = join(cacheFolder(), 'python-clients')
  const interpreter = join(folder, 'bin', 'python')
  if (!existsSync(join(folder, 'ready'))) {
    await run('python3', ['-m', 'venv', folder], { timeoutMs: SETUP_MS })
    const requirements = join(sources, 'python', 'requirements.txt')
    await run(interpreter, ['-m', 'pip', 'install', '-q', '-r', requirements], { timeoutMs: SETUP_MS })
    await mkdir(join(folder, 'ready'), { recursive: true })
  }
  return [interpreter, join(sources, 'python', program)]
}

async function go(program: string): Promise<string[]> {
  const folder = join(cacheFolder(), 'go-clients')
  await mkdir(folder, { recursive: true })
  await cp(join(sources, 'go'), folder, { recursive: true })
  // Go builds again only what has changed.
  await run('go', ['build', '-o', join(folder, 'bin', program), `./${program}`], { cwd: folder, timeoutMs: SETUP_MS })
  return [join(folder, 'bin', program)]
}
