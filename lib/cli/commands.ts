import type { Command } from './command.js'
import { listCommands } from './listing.js'
import { run } from './run.js'

/** All commands, in the order of `cthelper --help`. */
export const commands: readonly Command[] = [run, ...listCommands]
