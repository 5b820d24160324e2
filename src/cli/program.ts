/** The whole command line: every command, how it fails, and what it returns to the shell. */
import { Command, CommanderError } from 'commander'
import { isFault } from '../runtime/fault.ts'
import { brokerDrainCommand } from './broker-drain.ts'
import { brokerListCommand } from './broker-list.ts'
import { clusterBalanceCommand } from './cluster-balance.ts'
import { clusterStatusCommand } from './cluster-status.ts'
import { consumeCommand } from './consume.ts'
import { deviceAddCommand } from './device-add.ts'
import { deviceListCommand } from './device-list.ts'
import { exitCodeOf, exitCodes, exitCodesHelp } from './exit-codes.ts'
import { groupDescribeCommand } from './group-describe.ts'
import { groupListCommand } from './group-list.ts'
import { partitionDescribeCommand } from './partition-describe.ts'
import { partitionMoveCommand } from './partition-move.ts'
import { produceCommand } from './produce.ts'
import { simulateCommand } from './simulate.ts'
import { startCommand } from './start.ts'
import { storageDescribeCommand } from './storage-describe.ts'
import { storageDumpCommand } from './storage-dump.ts'
import { storageLsCommand } from './storage-ls.ts'
import { storageVerifyCommand } from './storage-verify.ts'
import type { Surroundings } from './surroundings.ts'
import { topicCreateCommand } from './topic-create.ts'
import { topicDeleteCommand } from './topic-delete.ts'
import { topicDescribeCommand } from './topic-describe.ts'
import { topicListCommand } from './topic-list.ts'

/** Runs one command to its end and returns the exit status. `args` come without the program's own name. */
export async function runProgram(
  args: readonly string[],
  version: string,
  surroundings: Surroundings
): Promise<number> {
  const program = createProgram(version, surroundings)
  try {
    await program.parseAsync(args, { from: 'user' })
    return exitCodes.ok
  } catch (error) {
    // commander has printed its own message already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    surroundings.errors.stream.write(describeFailure(error))
    return exitCodeOf(error)
  }
}

/** What a person reads: the message of a fault, with what it was caused by; for a bug also where. */
export function describeFailure(error: unknown): string {
  if (isFault(error)) return `longhaul: ${error.message}\n`
  const details = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return `longhaul: this is a bug in longhaul, please report it with these lines:\n${details}\n`
}

function createProgram(version: string, surroundings: Surroundings): Command {
  const program = new Command('longhaul')
    .description('Kafka-compatible fleet telemetry streams on shared object storage')
    .version(version)
    .showSuggestionAfterError()
    .addHelpText('after', exitCodesHelp)
  program.addCommand(startCommand(surroundings))
  addGroup(program, 'topic', 'create, look at and delete topics', [
    topicCreateCommand(surroundings),
    topicListCommand(surroundings),
    topicDescribeCommand(surroundings),
    topicDeleteCommand(surroundings)
  ])
  program.addCommand(produceCommand(surroundings))
  program.addCommand(consumeCommand(surroundings))
  addGroup(program, 'group', 'look at consumer groups', [
    groupListCommand(surroundings),
    groupDescribeCommand(surroundings)
  ])
  addGroup(program, 'cluster', 'look at the cluster and balance it', [
    clusterStatusCommand(surroundings),
    clusterBalanceCommand(surroundings)
  ])
  addGroup(program, 'broker', 'list brokers, and empty one before it is stopped', [
    brokerListCommand(surroundings),
    brokerDrainCommand(surroundings)
  ])
  addGroup(program, 'partition', 'see who leads partitions, and move them', [
    partitionDescribeCommand(surroundings),
    partitionMoveCommand(surroundings)
  ])
  addGroup(program, 'device', 'register devices', [deviceAddCommand(surroundings), deviceListCommand(surroundings)])
  addGroup(program, 'storage', 'look at what is stored, beside a node or without one; changes nothing', [
    storageLsCommand(surroundings),
    storageDescribeCommand(surroundings),
    storageVerifyCommand(surroundings),
    storageDumpCommand(surroundings)
  ])
  program.addCommand(simulateCommand(surroundings))
  configure(program, surroundings)
  return program
}

function addGroup(program: Command, name: string, description: string, commands: readonly Command[]): void {
  const group = new Command(name).description(description)
  for (const command of commands) group.addCommand(command)
  program.addCommand(group)
}

/** Every command throws instead of ending the process, and writes where its surroundings say. */
function configure(command: Command, surroundings: Surroundings): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => surroundings.output.stream.write(text),
    writeErr: (text) => surroundings.errors.stream.write(text),
    getOutHelpWidth: () => surroundings.output.columns() ?? 100,
    getErrHelpWidth: () => surroundings.errors.columns() ?? 100,
    outputError: (text, write) => write(`longhaul: ${text.replace(/^error: /, '')}`)
  })
  if (command.commands.length === 0) command.showHelpAfterError('(add --help for what is allowed)')
  for (const child of command.commands) configure(child, surroundings)
}
